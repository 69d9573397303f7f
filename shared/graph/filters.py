"""Filter and sort inputs, made of a model's fields and turned into SQL (contracts.md, "Queries")."""

import dataclasses
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Optional
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement
from strawberry import UNSET
from strawberry.annotation import StrawberryAnnotation

from shared.database.entity import Entity, FieldFacts
from shared.errors import Invalid
from shared.graph.rows import all_of, any_of, parse_id
from shared.graph.types import Types, make_field, make_input
from shared.values import Money, Searchable

_ORDERED = ("eq", "ne", "in", "lt", "lte", "gt", "gte")
_NAMES: dict[Any, str] = {
    UUID: "ID",
    str: "String",
    int: "Int",
    Decimal: "Decimal",
    date: "Date",
    datetime: "DateTime",
    bool: "Boolean",
}
_MAX_TERMS = 50
_MAX_DEPTH = 5


@strawberry.enum
class SortDirection(Enum):
    """Which end of the order comes first."""

    ASC = "ASC"
    DESC = "DESC"


class FilterBuilder:
    """Makes the filter and sort inputs of one module's entities."""

    def __init__(self, types: Types) -> None:
        """Use `types` for enums."""
        self._types = types
        self._scalars: dict[str, type] = {}

    def filter_of(self, model: type[Entity], names: Sequence[str]) -> type:
        """Return `DealFilter`: one field for each name, and `and`, `or`, `not`."""
        fields = [make_field(name, _maybe(self._operators(field_facts(model, name))), default=UNSET) for name in names]
        # The filter names itself, so these three get their type once it exists.
        groups = [make_field(f"{name}_", Any, graphql_name=name, default=UNSET) for name in ("and", "or", "not")]
        made = make_input(f"{model.__name__}Filter", [*fields, *groups], description="Conditions that must all hold.")
        for group in groups:
            group.type_annotation = StrawberryAnnotation(_maybe(made if group.python_name == "not_" else list[made]))
        return made

    def sort_of(self, model: type[Entity], names: Sequence[str]) -> type:
        """Return `DealSort`: a field to sort by and a direction."""
        make_enum: Any = strawberry.enum
        kind = make_enum(Enum(f"{model.__name__}SortField", {name.upper(): name for name in names}))
        return make_input(
            f"{model.__name__}Sort",
            [
                make_field("field", kind),
                make_field("direction", SortDirection, default=SortDirection.ASC),
            ],
            description="What to sort by; rows that are equal there are sorted by id.",
        )

    def _operators(self, facts: FieldFacts) -> type:
        kind: Any = Decimal if facts.type is Money else facts.type
        searchable = any(isinstance(mark, Searchable) for mark in facts.marks)
        is_enum = isinstance(kind, type) and issubclass(kind, Enum)
        name = f"{kind.__name__}Filter" if is_enum else f"{'Text' if searchable else _NAMES[kind]}Filter"
        if name not in self._scalars:
            inner = self._types.input(kind)
            operators = ("eq", "ne", "in") if is_enum or kind in (str, UUID) else ("eq",) if kind is bool else _ORDERED
            fields = [
                make_field(f"{op}_", _maybe(list[inner] if op == "in" else inner), graphql_name=op, default=UNSET)
                for op in operators
            ]
            if searchable:
                fields.append(make_field("contains_", _maybe(str), graphql_name="contains", default=UNSET))
            fields.append(make_field("is_null_", _maybe(bool), graphql_name="isNull", default=UNSET))
            self._scalars[name] = make_input(name, fields)
        return self._scalars[name]


def _maybe(kind: Any) -> Any:
    return Optional[kind]  # noqa: UP045 the inner type is a value


def field_facts(model: type[Entity], name: str) -> FieldFacts:
    """Return what is known of a field, the kit's own columns included."""
    own = {"id": UUID, "created_at": datetime, "updated_at": datetime, "created_by": UUID, "version": int}
    if name in own:
        return FieldFacts(name, own[name], False, None, None, ())  # pyright: ignore[reportArgumentType]
    return model.__facts__[name]


def column_of(model: type[Entity], name: str) -> Any:
    """Return the SQL column to compare or sort by: of money, its amount."""
    if name in model.__facts__ and model.__facts__[name].type is Money:
        return model.__table__.c[f"{name}_amount"]
    return getattr(model, name)


def conditions(model: type[Entity], filter_: Any, depth: int = 0) -> list[ColumnElement[bool]]:
    """Return the SQL conditions of a filter input. Raises Invalid for one that is too deep or too large."""
    if not filter_:
        return []
    if depth > _MAX_DEPTH:
        raise Invalid("The filter is nested more than {max_depth} levels deep.", "filter", max_depth=_MAX_DEPTH)
    found: list[ColumnElement[bool]] = []
    for field in dataclasses.fields(filter_):
        value = getattr(filter_, field.name)
        if not value or field.name in ("and_", "or_", "not_"):
            continue
        found += _of_operators(model, field.name, value)
    for group, join in ((filter_.and_, all_of), (filter_.or_, any_of)):
        if group:
            if len(group) > _MAX_TERMS:
                raise Invalid("At most {max_terms} conditions can be joined.", "filter", max_terms=_MAX_TERMS)
            found.append(join([all_of(conditions(model, term, depth + 1)) for term in group]))
    if filter_.not_:
        # NULL is not equal to anything, so `not` takes it in.
        found.append(all_of(conditions(model, filter_.not_, depth + 1)).is_not(True))
    return found


def filtered_by(filter_: Any) -> set[str]:
    """Return the names of the fields that a filter input compares, at whatever depth."""
    if not filter_:
        return set()
    named = {one.name for one in dataclasses.fields(filter_) if getattr(filter_, one.name)}
    nested = [*(filter_.and_ or ()), *(filter_.or_ or ()), filter_.not_]
    return named.union(*map(filtered_by, nested))


def _of_operators(model: type[Entity], name: str, operators: Any) -> list[ColumnElement[bool]]:
    column = column_of(model, name)
    is_id = field_facts(model, name).type is UUID
    found: list[ColumnElement[bool]] = []
    for field in dataclasses.fields(operators):
        value: Any = getattr(operators, field.name)
        if value is None or value is UNSET:
            continue
        if is_id and field.name != "is_null_":
            value = [_id(text) for text in value] if field.name == "in_" else _id(value)
        if field.name == "in_" and len(value) > 100:
            raise Invalid("At most 100 values can be listed in `in`.", "filter", name)
        found.append(_compare(column, field.name, value))
    return found


def _id(text: str) -> UUID:
    return parse_id(text) or UUID(int=0)  # a malformed id is no row's


def _compare(column: Any, operator: str, value: Any) -> ColumnElement[bool]:
    match operator:
        case "eq_":
            return column == value
        case "ne_":
            return column.is_distinct_from(value)
        case "in_":
            return column.in_(value)
        case "lt_":
            return column < value
        case "lte_":
            return column <= value
        case "gt_":
            return column > value
        case "gte_":
            return column >= value
        case "contains_":
            return column.icontains(value, autoescape=True)
        case _:
            return column.is_(None) if value else column.is_not(None)
