"""Rows as the caller may see them: by id, and lists on an entity, each in one SQL statement a request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from shared.database.entity import Entity
from shared.database.transaction import Transaction
from shared.database.visibility import read_permission, visible
from shared.graph.context import RequestContext

MAX_RELATED = 50


@dataclass(frozen=True, slots=True)
class Related:
    """A list on an entity: rows of `model` whose column `by` holds the entity's id.

    `where` is the condition that holds unless the caller names a `status`; `order_by` columns may start with `-` for
    descending. `first` is 10 by default and at most 50 (contracts.md, "Queries").
    """

    model: type[Entity]
    by: str
    order_by: tuple[str, ...] = ()
    where: Callable[[], ColumnElement[bool]] | None = None
    status: bool = False


def related(
    model: type[Entity],
    by: str,
    *,
    order_by: Sequence[str] | str = (),
    where: Callable[[], ColumnElement[bool]] | None = None,
    status: bool = False,
) -> Any:
    """Add a list to an entity; see Related. `status` lets the caller filter by the model's status."""
    return Related(model, by, (order_by,) if isinstance(order_by, str) else tuple(order_by), where, status)


def parse_id(text: object) -> UUID | None:
    """Return the UUID that an ID names, None where it is malformed: such an id answers like an absent one."""
    try:
        return UUID(str(text))
    except ValueError:
        return None


async def load_row(context: RequestContext, model: type[Entity], row_id: object) -> Entity | None:
    """Return one row by id, None where there is none for this caller; batched with others of the request."""
    scope = context.require(read_permission(model))
    found = row_id if isinstance(row_id, UUID) else parse_id(row_id)
    if found is None:
        return None

    async def load(tx: Transaction, ids: list[UUID]) -> list[Entity | None]:
        rows = await tx.all(select(model).where(model.id.in_(ids), *visible(model, tx.principal, scope)))
        by_id = {row.id: row for row in rows}
        return [by_id.get(one) for one in ids]

    return await context.loader(model, load).load(found)


async def load_related(
    context: RequestContext, list_: Related, parent: UUID, first: int, status: Sequence[Any] | None
) -> list[Entity]:
    """Return the list of one parent; all parents of the request that ask alike share one statement."""
    scope = context.require(read_permission(list_.model))
    limit = max(0, min(first, MAX_RELATED))
    wanted = tuple(status) if status is not None else None

    async def load(tx: Transaction, parents: list[UUID]) -> list[list[Entity]]:
        rows = await tx.all(_first_of_each(list_, parents, limit, wanted, visible(list_.model, tx.principal, scope)))
        groups: dict[UUID, list[Entity]] = {one: [] for one in parents}
        for row in rows:
            groups[getattr(row, list_.by)].append(row)
        return [groups[one] for one in parents]

    return await context.loader((list_, limit, wanted), load).load(parent)


def _first_of_each(
    list_: Related, parents: list[UUID], limit: int, status: tuple[Any, ...] | None, seen: list[ColumnElement[bool]]
) -> Any:
    model: Any = list_.model
    by = getattr(model, list_.by)
    order = [*map(lambda name: _ordered(model, name), list_.order_by), model.id]
    conditions = [by.in_(parents), *seen]
    if status is not None:
        conditions.append(model.status.in_(status))
    elif list_.where is not None:
        conditions.append(list_.where())
    place = func.row_number().over(partition_by=by, order_by=order).label("place")
    ranked = select(model.id.label("id"), place).where(*conditions).subquery()
    return select(model).join(ranked, model.id == ranked.c.id).where(ranked.c.place <= limit).order_by(ranked.c.place)


def _ordered(model: Any, name: str) -> Any:
    column = getattr(model, name.removeprefix("-"))
    return column.desc().nulls_last() if name.startswith("-") else column.asc().nulls_last()


def all_of(conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Join conditions by AND; none is true."""
    return and_(True, *conditions)


def any_of(conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Join conditions by OR; none is false."""
    return or_(False, *conditions)
