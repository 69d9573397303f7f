"""What every module's process would make for itself at its first request, made once in the process it is forked from.

Nothing is opened and no secret is read here. `./justw bench startup` shows what it is worth: memory that is shared.
"""

import contextlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from graphql import parse, validate
from sqlalchemy import select
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from shared.hosting.documents import Documents
from shared.module import Module
from shared.values import Money


def warm_libraries() -> None:
    """Have the libraries read their tables: Babel its currencies, OpenSSL its algorithms."""
    Money.zero("EUR").rounded()
    with contextlib.suppress(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(bytes(32)).verify(bytes(64), b"")


def warm_module(module: Module) -> None:
    """Build the module's schema, with its mappers, and compile a statement on each of its entities.

    Raises what the module's code raises.
    """
    validate(Documents(module).schema, parse("{ __typename }"))
    for model in module.entities:
        select(model).compile(dialect=dialect())
    _ = module.published, module.subscriptions, module.jobs, module.routes, module.takes_queued
