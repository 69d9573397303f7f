"""What a new supergraph changes for clients: breaking, dangerous and safe changes, and the operations they break."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from graphql import (
    BreakingChange,
    DangerousChange,
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
    """All changes, the worst first, and the stored operations they break."""

    changes: tuple[Change, ...]
    broken: tuple[Broken, ...]


def difference(old: Supergraph, new: Supergraph, operations: Mapping[str, str] | None = None) -> Difference:
    """Compare what clients see of two supergraphs. `operations` are stored documents by name."""
    before, after = api_schema(old), api_schema(new)
    order = list(Severity)
    changes = sorted(_changes(before, after), key=lambda one: (order.index(one.severity), one.code, one.message))
    broken = [_broken(name, text, before, after) for name, text in sorted((operations or {}).items())]
    return Difference(tuple(changes), tuple(one for one in broken if one is not None))


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


def _broken(name: str, text: str, before: GraphQLSchema, after: GraphQLSchema) -> Broken | None:
    try:
        document = parse(text)
    except GraphQLError:
        return None
    if validate(before, document):
        return None
    reasons = tuple(error.message for error in validate(after, document))
    return Broken(name, reasons) if reasons else None
