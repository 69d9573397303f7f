"""Scalars as they are read: what is malformed, or what no column could keep, is refused where it comes in."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from graphql import GraphQLError
from strawberry.schema.types.base_scalars import DateDefinition, DateTimeDefinition, DecimalDefinition
from strawberry.types.scalar import ScalarDefinition

from shared.errors import Invalid

_MOST_DIGITS = 60  # before the point, and behind it
_SHOWN = 40


def _decimal(written: object) -> Decimal:
    found = Decimal(str(written))
    if not found.is_finite() or max(abs(found.adjusted()), len(found.as_tuple().digits)) > _MOST_DIGITS:
        raise ValueError
    return found


def _instant(written: object) -> datetime:
    """Return an instant in UTC, which is also the zone of one that names none."""
    found: datetime = _as_strawberry(DateTimeDefinition)(written)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _as_strawberry(definition: ScalarDefinition) -> Callable[[object], Any]:
    assert definition.parse_value is not None
    return definition.parse_value


def _refusing(read: Callable[[object], Any]) -> Callable[[object], Any]:
    """Return a reader that raises Invalid, whatever `read` raises for a value that it can't read."""

    def reading(written: object) -> Any:
        try:
            return read(written)
        except (GraphQLError, InvalidOperation, ValueError, OverflowError) as error:
            raise Invalid(
                "{value!r} is no date, time or number that can be kept.", value=str(written)[:_SHOWN]
            ) from error

    return reading


read_decimal = _refusing(_decimal)
read_instant = _refusing(_instant)
_read_date = _refusing(_as_strawberry(DateDefinition))

SCALARS: dict[object, Any] = {
    Decimal: replace(DecimalDefinition, parse_value=read_decimal),
    datetime: replace(DateTimeDefinition, parse_value=read_instant),
    date: replace(DateDefinition, parse_value=_read_date),
}
"""How GraphQL reads them; how it writes them is Strawberry's."""
