"""Mirrored rows: every column of every entity filled, in every state, in both tenants, without a word about any module."""

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from sqlalchemy.exc import DBAPIError

from mewayz.proof.ids import Side
from shared.database.entity import Entity, FieldFacts, is_part, models_of, module_of
from shared.database.transaction import Database, Transaction
from shared.errors import Refusal
from shared.module import Module
from shared.values import Money
from shared.wire.principal import Principal

ROWS = 8  # of every entity: row n refers to the rows n, in the n-th of its states


def entity_name(model: type[Entity]) -> str:
    """Return `crm.Deal`."""
    return f"{module_of(model.__module__)}.{model.__name__}"


async def fill(module: Module, database: Database, side: Side) -> list[str]:
    """Write one tenant's rows; return those that a rule of the database refused."""
    refused: list[str] = []
    principal = Principal(tenant=side.tenant, user=side.row("identity.UserAccount", 1), permissions=("*",))
    async with database.transaction(principal) as tx:
        for model in models_of(module.slug):
            for number in range(ROWS):
                try:
                    async with tx.session.begin_nested():
                        await _write(tx, model, side, number)
                except (DBAPIError, Refusal) as error:
                    refused.append(f"{entity_name(model)} {number}: {str(error).splitlines()[0]}")
    return refused


async def _write(tx: Transaction, model: type[Entity], side: Side, number: int) -> None:
    row: Any = model(**{facts.name: value_of(facts, model, side, number) for facts in model.__facts__.values()})
    tx.stamp(row)
    row.id = side.row(entity_name(model), number)
    row.created_by = side.row("identity.UserAccount", number)
    tx.session.add(row)
    await tx.session.flush()


def value_of(facts: FieldFacts, model: type[Entity], side: Side, number: int) -> Any:
    """Return what a column holds in row `number`."""
    if facts.type is UUID:
        target = "identity.UserAccount"
        if facts.ref is not None:
            target = facts.ref.entity if facts.ref.module else f"{module_of(model.__module__)}.{facts.ref.name}"
        return side.row(target, number % ROWS)
    label = f"{model.__name__}{facts.name}".lower().replace("_", "")
    return _accepted(facts.adapter, facts.type, facts.name, Seed(side, label, number))


class Seed:
    """Where generated values come from."""

    def __init__(self, side: Side, label: str, number: int) -> None:
        """Values of `side`, of row `number`, texts told apart by `label`."""
        self.side = side
        self.label = label
        self.number = number

    def under(self, name: str) -> "Seed":
        """Return the seed of a part's field."""
        return Seed(self.side, f"{self.label}{name}".replace("_", ""), self.number)


def _accepted(adapter: TypeAdapter[Any], kind: Any, name: str, seed: Seed) -> Any:
    """Return the first candidate that the field's own rules accept; None where there is none."""
    for candidate in candidates(kind, name, seed):
        try:
            return adapter.validate_python(candidate)
        except (ValidationError, Refusal):
            continue
    return None


def candidates(kind: Any, name: str, seed: Seed) -> Iterator[Any]:
    """Return values of a Python type, the most telling first."""
    side, number = seed.side, seed.number
    origin = get_origin(kind)
    if origin is Annotated:
        yield from candidates(get_args(kind)[0], name, seed)
    elif origin in (Union, UnionType):
        for option in get_args(kind):
            if option is not type(None):
                yield from candidates(option, name, seed)
    elif origin in (list, tuple):
        inner = next(one for one in get_args(kind) if one is not Ellipsis)
        yield from ([one] for one in itertools.islice(candidates(inner, name, seed), 12))
        yield []
    elif isinstance(kind, type) and issubclass(kind, Enum):
        members = list(kind)
        yield members[number % len(members)]
    elif is_part(kind):
        yield {
            field: _accepted(_adapter(facts), facts.annotation, field, seed.under(field))
            for field, facts in kind.model_fields.items()
        }
    else:
        yield from _SCALARS.get(kind, _nothing)(name, side, number, seed.label)


def _adapter(facts: FieldInfo) -> TypeAdapter[Any]:
    kind: Any = facts.annotation
    for mark in facts.metadata:
        kind = Annotated[kind, mark]
    return TypeAdapter(kind)


def _texts(name: str, side: Side, number: int, label: str) -> Iterator[str]:
    if name == "line_key":  # of a credited line: the line's id
        yield str(side.row("invoicing.InvoiceLine", number))
    if "currency" in name:
        yield side.currency
    if "zone" in name:
        yield "Asia/Shanghai"
    if "period" in name or name == "year_month":
        yield f"{_today():%Y-%m}"
    yield f"{side.canary}{label}{number}"
    yield f"{side.canary}{label}{number}@example.com"
    yield f"{side.canary}{number}"
    yield f"{side.letter}{number}"
    yield "18:00" if name == "to" else "09:00"
    yield from ("CNY", "CN", "zh", "en", "2026-11", "1", side.letter)


def _numbers(_name: str, side: Side, number: int, _label: str) -> Iterator[int]:
    base = 1 if side.letter == "a" else 1000
    yield from (base + number, 1 + number, 1, 0, 50, 100, 2026)


def _decimals(name: str, side: Side, number: int, label: str) -> Iterator[Decimal]:
    yield from (Decimal(value) for value in _numbers(name, side, number, label))


# Ids inside of parts and lists carry no reference: what their names say they are.
_NAMED = {
    "employee": "hr.Employee",
    "customer": "crm.Customer",
    "role": "identity.AccessRole",
    "line": "invoicing.InvoiceLine",
    "task": "projects.ProjectTask",
}


def _ids(name: str, side: Side, number: int, _label: str) -> Iterator[UUID]:
    target = next((entity for word, entity in _NAMED.items() if word in name), "identity.UserAccount")
    yield side.row(target, number % ROWS)


def _today() -> date:
    return datetime.now(UTC).date()  # noqa: TID251 rows of today are what "today" and "this month" queries show


def _days(name: str, _side: Side, number: int, _label: str) -> Iterator[date]:
    ahead = any(word in name for word in ("due", "to", "until", "ends", "expir", "void"))
    yield _today() + timedelta(days=number + 1 if ahead else -number)


def _instants(name: str, _side: Side, number: int, _label: str) -> Iterator[datetime]:
    now = datetime.now(UTC)  # noqa: TID251 see above
    yield (
        now + timedelta(days=number + 1) if "expir" in name or "until" in name else now - timedelta(minutes=number + 1)
    )


def _money(name: str, side: Side, number: int, label: str) -> Iterator[Money]:
    share = 1000 if "total" in name else 100  # parts are smaller than the whole, so that something stays open
    yield Money(next(_decimals(name, side, number, label)) * share, side.currency)


def _flags(name: str, _side: Side, number: int, _label: str) -> Iterator[bool]:
    yield number % 2 == 0 or name == "billable"  # what was billed was billable


def _nothing(_name: str, _side: Side, _number: int, _label: str) -> Iterator[Any]:
    yield from ({}, "")


_SCALARS: dict[Any, Any] = {
    str: _texts,
    int: _numbers,
    float: _numbers,
    Decimal: _decimals,
    UUID: _ids,
    date: _days,
    datetime: _instants,
    Money: _money,
    bool: _flags,
}
