"""What a new supergraph changes for clients: breaking, dangerous and safe changes, and the operations they break."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from graphql import (
    BreakingChange,
    DangerousChange,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    find_schema_changes,
    parse,
    validate,
)

from router.supergraph.api_schema import api_schema
from router.supergraph.model import Supergraph


class Severity(StrEnum):
    """BREAKING: a valid operation may fail; DANGEROUS: a client may meet what it does not expect; SAFE: neither."""

    BREAKING = "BREAKING"
    DANGEROUS = "DANGEROUS"
    SAFE = "SAFE"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the API schema; `code` is graphql-js's name for its kind."""

    severity: Severity
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity} {self.code}: {self.message}"


@dataclass(frozen=True, slots=True)
class Broken:
    """A stored operation that was valid and is no more."""

    name: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes, the worst first, and the stored operations they break.

    `unjudged` are those that were not valid before: nothing can be said about them.
    """

    changes: tuple[Change, ...]
    broken: tuple[Broken, ...]
    unjudged: tuple[str, ...] = ()


def difference(old: Supergraph, new: Supergraph, operations: Mapping[str, str] | None = None) -> Difference:
    """Compare what clients see of two supergraphs. `operations` are stored documents by name."""
    before, after = api_schema(old), api_schema(new)
    order = list(Severity)
    changes = sorted(_changes(before, after), key=lambda one: (order.index(one.severity), one.code, one.message))
    broken: list[Broken] = []
    unjudged: list[str] = []
    for name, text in sorted((operations or {}).items()):
        document = _valid(text, before)
        if document is None:
            unjudged.append(name)
        elif reasons := tuple(error.message for error in validate(after, document)):
            broken.append(Broken(name, reasons))
    return Difference(tuple(changes), tuple(broken), tuple(unjudged))


def _changes(before: GraphQLSchema, after: GraphQLSchema) -> list[Change]:
    found: list[Change] = []
    for one in find_schema_changes(before, after):
        severity = Severity.SAFE
        if isinstance(one, BreakingChange):
            severity = Severity.BREAKING
        elif isinstance(one, DangerousChange):
            severity = Severity.DANGEROUS
        found.append(Change(severity, one.type.name, one.description))
    return found


def _valid(text: str, schema: GraphQLSchema) -> DocumentNode | None:
    try:
        document = parse(text)
    except GraphQLError:
        return None
    return None if validate(schema, document) else document
