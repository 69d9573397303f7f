"""Relay connections with keyset paging: a page costs the same wherever it lies."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import Field, TypeAdapter
from sqlalchemy import ColumnElement, and_, func, or_, select

from shared.database.entity import Entity
from shared.database.transaction import Transaction
from shared.database.visibility import visible
from shared.errors import Invalid
from shared.graph.filters import SortDirection, column_of, conditions, field_facts
from shared.graph.scalars import read_decimal, read_instant
from shared.graph.types import PageInfo
from shared.values import Money
from shared.wire.principal import RowScope

_READERS: dict[Any, Callable[[object], Any]] = {
    Money: read_decimal,
    Decimal: read_decimal,
    datetime: read_instant,
    int: TypeAdapter(Annotated[int, Field(ge=-(2**31), lt=2**31)]).validate_python,
}
DEFAULT_PAGE = 20
MAX_PAGE = 100


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page of which rows is wanted."""

    model: type[Entity]
    first: int | None
    after: str | None
    last: int | None
    before: str | None
    filter: Any
    sort: Any

    @property
    def sort_field(self) -> str:
        """The field to sort by; newest first where none is named."""
        return self.sort.field.value if self.sort else "id"

    @property
    def descending(self) -> bool:
        """Whether greater values come first."""
        return self.sort.direction is SortDirection.DESC if self.sort else True


@dataclass(frozen=True, slots=True)
class Edge:
    """A row and its place."""

    node: Entity
    cursor: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a connection; `request` and `scope` are kept so that the total can be counted when it is asked for."""

    edges: list[Edge]
    page_info: PageInfo
    request: PageRequest
    scope: RowScope

    @property
    def nodes(self) -> list[Entity]:
        """The page's rows."""
        return [edge.node for edge in self.edges]


async def load_page(tx: Transaction, request: PageRequest, scope: RowScope) -> Page:
    """Return one page. Raises Invalid for a page size, cursor or filter that is not accepted."""
    size, backwards = _size(request)
    # Backwards, the order is turned round, and the page turned back at the end.
    descending = request.descending != backwards
    statement = select(request.model).where(*_all_conditions(request, tx, scope))
    start = request.before if backwards else request.after
    if start is not None:
        statement = statement.where(_beyond(request, start, descending))
    key = column_of(request.model, request.sort_field)
    order = [key.desc().nulls_last() if descending else key.asc().nulls_first()]
    if request.sort_field != "id":
        order.append(request.model.id.desc() if descending else request.model.id.asc())
    rows = list(await tx.all(statement.order_by(*order).limit(size + 1)))
    more = len(rows) > size
    rows = rows[:size][::-1] if backwards else rows[:size]
    edges = [Edge(row, _cursor(request, row)) for row in rows]
    info = PageInfo(
        has_next_page=more if not backwards else request.before is not None,
        has_previous_page=more if backwards else request.after is not None,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
    return Page(edges, info, request, scope)


async def count_rows(tx: Transaction, page: Page) -> int:
    """Return how many rows the whole connection has."""
    model = page.request.model
    statement = select(func.count(model.id)).where(*_all_conditions(page.request, tx, page.scope))
    return (await tx.session.execute(statement)).scalar_one()


def _all_conditions(request: PageRequest, tx: Transaction, scope: RowScope) -> list[ColumnElement[bool]]:
    return [*conditions(request.model, request.filter), *visible(request.model, tx.principal, scope)]


def _size(request: PageRequest) -> tuple[int, bool]:
    if request.first is not None and request.last is not None:
        raise Invalid("Give `first` or `last`, not both.", "first")
    backwards = request.last is not None
    size = request.last if request.last is not None else DEFAULT_PAGE if request.first is None else request.first
    if not 0 <= size <= MAX_PAGE:
        raise Invalid("A page has 0 to {max_page} rows.", "last" if backwards else "first", max_page=MAX_PAGE)
    return size, backwards


def _cursor(request: PageRequest, row: Entity) -> str:
    value = getattr(row, request.sort_field)
    if isinstance(value, Money):
        value = value.amount
    if isinstance(value, Enum):
        value = value.value
    raw = orjson.dumps([value, str(row.id)], default=str)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _beyond(request: PageRequest, cursor: str, descending: bool) -> ColumnElement[bool]:
    value, row_id = _read_cursor(request, cursor)
    key, id_ = column_of(request.model, request.sort_field), request.model.id
    if request.sort_field == "id":
        return id_ < row_id if descending else id_ > row_id
    after_id = id_ < row_id if descending else id_ > row_id
    if value is None:  # nulls are the smallest values
        return and_(key.is_(None), after_id) if descending else or_(and_(key.is_(None), after_id), key.is_not(None))
    same = and_(key == value, after_id)
    return or_(key < value, key.is_(None), same) if descending else or_(key > value, same)


def _read_cursor(request: PageRequest, cursor: str) -> tuple[Any, UUID]:
    try:
        value, row_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        kind = field_facts(request.model, request.sort_field).type
        if value is not None:
            read = _READERS.get(kind) or TypeAdapter(kind).validate_python
            value = read(value)
        return value, UUID(row_id)
    except (ValueError, TypeError, binascii.Error, Invalid) as error:
        raise Invalid("The cursor is not one of this list: take it from an edge or from pageInfo.", "after") from error
