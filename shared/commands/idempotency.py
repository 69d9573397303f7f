"""Idempotency keys: the first answer is kept with a hash of its input and given again (contracts.md, "Commands")."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import orjson
from pydantic import BaseModel, TypeAdapter
from sqlalchemy.orm import configure_mappers
from sqlalchemy.orm.attributes import set_committed_value

from shared.database.entity import Entity
from shared.database.transaction import Transaction
from shared.errors import IdempotencyKeyReused
from shared.values import Money
from shared.wire.principal import RowScope

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)

# One request with a key waits for another with the same key.
_LOCK = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
_READ = """
    select input_hash, answer from kit.idempotency
    where actor = $1 and command = $2 and key = $3 and created_at > clock_timestamp() - interval '7 days'
"""
_WRITE = """
    insert into kit.idempotency (tenant_id, actor, command, key, input_hash, answer)
    values ($1, $2, $3, $4, $5, $6)
    on conflict do nothing
"""


class UserErrorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal as data."""

    code: str
    message: str
    field: tuple[str, ...] | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a command answered: its rows as they were then, or its errors; `scope` is how far the caller's permission reached."""

    many: bool = False
    snapshots: tuple[dict[str, Any], ...] | None = None
    errors: tuple[UserErrorFacts, ...] = ()
    scope: RowScope = RowScope.OWN

    @classmethod
    def of(cls, result: Entity | Sequence[Entity] | None, scope: RowScope = RowScope.OWN) -> "Answer":
        """Keep what a command returned."""
        if result is None:
            return cls(scope=scope)
        rows = [result] if isinstance(result, Entity) else list(result)
        snapshots = tuple(_snapshot(row) for row in rows)
        return cls(many=not isinstance(result, Entity), snapshots=snapshots, scope=scope)

    def is_beyond(self, scope: RowScope) -> bool:
        """Tell whether its caller's permission reached further then than `scope`."""
        return list(RowScope).index(self.scope) > list(RowScope).index(scope)

    def rows(self, model: type[Entity]) -> Entity | list[Entity] | None:
        """Return the rows as they were, detached from any session."""
        if self.snapshots is None:
            return None
        configure_mappers()  # this may be the first that a process does with its rows
        rows = [_restore(model, snapshot) for snapshot in self.snapshots]
        return rows if self.many else rows[0]


def input_hash(arguments: Mapping[str, Any], expected_version: int | None) -> str:
    """Return the SHA-256 of a command's input."""
    raw = orjson.dumps([dict(arguments), expected_version], option=orjson.OPT_SORT_KEYS, default=_plain)
    return hashlib.sha256(raw).hexdigest()


async def recall(tx: Transaction, command: str, key: str, digest: str) -> Answer | None:
    """Return the kept answer of a key, None for a new one; holds the key until the transaction ends.

    Raises IdempotencyKeyReused where the key was used with other input.
    """
    await tx.fetch(_LOCK, f"{tx.tenant_id}/{_actor(tx)}/{command}/{key}")
    found = await tx.fetch(_READ, _actor(tx), command, key)
    if not found:
        return None
    kept_hash, answer = found[0]
    if kept_hash != digest:
        raise IdempotencyKeyReused(key)
    return msgspec.convert(answer, Answer)


async def remember(tx: Transaction, command: str, key: str, digest: str, answer: Answer) -> None:
    """Keep an answer under its key."""
    await tx.fetch(_WRITE, tx.tenant_id, _actor(tx), command, key, digest, msgspec.json.encode(answer).decode())


def _actor(tx: Transaction) -> str:
    return str(tx.principal.user) if tx.principal.user else "system"


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return _ANYTHING.dump_python(value, mode="json")


_KIT_COLUMNS: dict[str, Any] = {
    "id": UUID,
    "tenant_id": UUID,
    "version": int,
    "created_at": datetime,
    "updated_at": datetime,
    "created_by": UUID | None,
}


def _columns(model: type[Entity]) -> dict[str, TypeAdapter[Any] | None]:
    return {**dict.fromkeys(_KIT_COLUMNS), **{name: facts.adapter for name, facts in model.__facts__.items()}}


def _snapshot(row: Entity) -> dict[str, Any]:
    return {name: _ANYTHING.dump_python(getattr(row, name), mode="json", by_alias=True) for name in _columns(type(row))}


def _restore(model: type[Entity], snapshot: Mapping[str, Any]) -> Entity:
    row = model.__mapper__.class_manager.new_instance()  # as if loaded, in no session
    for name, adapter in _columns(model).items():
        value = (adapter or TypeAdapter(_KIT_COLUMNS[name])).validate_python(snapshot[name])
        if isinstance(value, Money):
            setattr(row, name, value)
        else:
            set_committed_value(row, name, value)
    return row
