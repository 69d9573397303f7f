"""Marks of a module's GraphQL types. They only mark; `Module` collects them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from shared.database.entity import Entity, snake
from shared.values import put_mark

DASHBOARD = "identity.Dashboard"

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A tenant's dashboard: an entity with the tenant's id, owned by identity; each module adds its card (contracts.md)."""

    id: UUID


@dataclass(frozen=True, slots=True)
class EntityMark:
    """A class that shows a model: its fields, key, connection, filter, sort and loader come from the model.

    `hidden` names columns that stay inside. `filters` and `sort` name the fields that have them; of a hidden column a filter
    would tell what it holds, so it takes the permission that `guarded` names for it. `root` is what the root fields are named
    after, None for none.
    """

    model: type[Entity]
    filters: tuple[str, ...]
    sort: tuple[str, ...]
    hidden: tuple[str, ...]
    root: str | None
    guarded: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ExtendMark:
    """A class whose attributes are fields on another module's entity: `related(...)` lists and `@batched` functions."""

    entity: str


@dataclass(frozen=True, slots=True)
class FieldMark:
    """A function that answers one field of one row: `(row) -> value` or `(row, tx) -> value`."""


@dataclass(frozen=True, slots=True)
class BatchedMark:
    """A function that answers one field for many entities: `(tx, ids) -> {id: value}`; what is left out is null."""

    permission: str | None = None


@dataclass(frozen=True, slots=True)
class QueryMark:
    """A function that answers a root field of its own: `(tx, ...) -> value`."""

    permission: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class CardMark:
    """A function that answers the module's card of the dashboard: `(tx) -> Part`."""

    permission: str | None
    fields: tuple[str, ...] = field(default=())


def entity(
    model: type[Entity],
    *,
    filters: Sequence[str] = (),
    sort: Sequence[str] = ("created_at",),
    hidden: Sequence[str] = (),
    guarded: Mapping[str, str] | None = None,
    roots: bool = True,
    root: str = "",
) -> Callable[[C], C]:
    """Mark a class as the GraphQL type of `model`; its body holds further fields. See EntityMark.

    Root fields are named after the model (`deal`, `deals`) unless `root` names them otherwise.
    """
    named = (root or snake(model.__name__)) if roots else None
    return _marker(EntityMark(model, tuple(filters), tuple(sort), tuple(hidden), named, dict(guarded or {})))


def extend(name: str) -> Callable[[C], C]:
    """Mark a class as fields that this module adds to another module's entity: `@extend("crm.Customer")`."""
    return _marker(ExtendMark(name))


def field_of_row(function: F) -> F:
    """Mark a function in an `@entity` class as a field. See FieldMark."""
    return _marker(FieldMark())(function)


def batched(permission: str | None = None) -> Callable[[F], F]:
    """Mark a function in an `@entity` or `@extend` class as a field answered for many rows at once. See BatchedMark."""
    return _marker(BatchedMark(permission))


def query(permission: str | None = None, name: str | None = None) -> Callable[[F], F]:
    """Mark a function as a root field. `permission` None: every signed-in member of the tenant may ask."""
    return _marker(QueryMark(permission, name))


def card(permission: str | None = None) -> Callable[[F], F]:
    """Mark the function that answers this module's field of `Dashboard`."""
    return _marker(CardMark(permission))


def _marker(mark: object) -> Callable[[Any], Any]:
    return lambda target: put_mark(target, mark)
