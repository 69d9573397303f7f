"""What a module's rows tell of a person: found, shown, and blanked (see Personal in shared/values.py)."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from sqlalchemy import ColumnElement, func, or_, select

from shared.database.entity import Entity, FieldFacts, models_of
from shared.database.transaction import Transaction
from shared.errors import Defect, Refusal
from shared.values import Personal, outside_name, put_mark

F = TypeVar("F", bound=Callable[..., Any])
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever any of these ids and e-mail addresses (in small letters) is."""

    ids: frozenset[UUID]
    emails: frozenset[str]

    def owns(self, row: Entity, mark: Personal) -> bool:
        """Tell whether a marked column of a row is about this person."""
        values = [getattr(row, name) for name in mark.by]
        return any(one in self.ids or (isinstance(one, str) and one.lower() in self.emails) for one in values)


Telling = tuple[Entity, tuple[str, ...]]
"""A row, and those of its columns that tell something of a person."""


@dataclass(frozen=True, slots=True)
class TellsMark:
    """A function `(tx, person) -> [(row, columns)]`: what tells of a person, where no column of the row says so."""


@dataclass(frozen=True, slots=True)
class ErasesMark:
    """A function `(tx, person) -> {row id: reason}` for what erasing takes beyond blanking; the rows that it names stay."""


def tells_of_person(function: F) -> F:
    """Mark a function that finds what the marks of columns can't say. See TellsMark."""
    return put_mark(function, TellsMark())


def erases(function: F) -> F:
    """Mark a function that does what erasing a person takes beyond blanking columns. See ErasesMark."""
    return put_mark(function, ErasesMark())


Teller = Callable[[Transaction, Person], Awaitable[Sequence[Telling]]]


def personal_columns(model: type[Entity]) -> list[tuple[FieldFacts, Personal]]:
    """Return the columns of a model that are marked Personal."""
    return [(facts, mark) for facts in model.__facts__.values() for mark in facts.marks if isinstance(mark, Personal)]


def personal_models(slug: str) -> list[type[Entity]]:
    """Return a module's models with personal columns, by name."""
    return sorted((model for model in models_of(slug) if personal_columns(model)), key=lambda model: model.__name__)


async def tellings(
    tx: Transaction, slug: str, tellers: Sequence[Teller], person: Person, *, lock: bool = False
) -> AsyncGenerator[Telling]:
    """Yield all that a module's rows tell of a person; with `lock` each row is held until the end.

    Rows are read in pages, so that nobody's history is too long.
    """
    for model in personal_models(slug):
        columns, last = personal_columns(model), UUID(int=0)
        while True:
            page = select(model).where(_about(model, columns, person), model.id > last).order_by(model.id).limit(_PAGE)
            rows = await tx.all(page.with_for_update() if lock and not model.__append_only__ else page)
            for row in rows:
                told = tuple(facts.name for facts, mark in columns if person.owns(row, mark))
                if told:
                    yield row, told
            if len(rows) < _PAGE:
                break
            last = rows[-1].id
    for teller in tellers:
        for telling in await teller(tx, person):
            yield telling


def same_person(row: Entity, told: Sequence[str]) -> set[UUID]:
    """Return further ids of the person whom a row tells of: its own, where all that it has is about them, and marked ids."""
    columns = {facts.name: (facts, mark) for facts, mark in personal_columns(type(row))}
    found = {getattr(row, name) for name in told if name in columns and columns[name][0].type is UUID}
    is_person = columns.keys() == set(told) and any("id" in mark.by for _, mark in columns.values())
    return {one for one in found if one is not None} | ({row.id} if is_person else set())


def shown(row: Entity, told: Sequence[str]) -> dict[str, Any]:
    """Return what a row tells, as JSON values."""
    facts = type(row).__facts__
    fields = {
        outside_name(name): facts[name].adapter.dump_python(getattr(row, name), mode="json", by_alias=True)
        for name in told
    }
    return {"entity": type(row).__name__, "id": str(row.id), "fields": fields}


def blank(row: Entity, told: Sequence[str]) -> bool:
    """Blank what a row tells, and return whether that changed anything. Raises Defect for what can't be blank."""
    changed = False
    for name in told:
        facts = type(row).__facts__[name]
        value = blank_value(facts, row.id)
        if getattr(row, name) != value:
            setattr(row, name, value)
            changed = True
    return changed


def blank_value(facts: FieldFacts, row_id: UUID) -> Any:
    """Return what stands in a personal column once it is erased: null, else a pseudonym that tells nothing.

    Raises Defect where the column takes neither.
    """
    if facts.nullable:
        return None
    pseudonym = f"erased-{row_id.hex[-12:]}"
    for candidate in (pseudonym, f"{pseudonym}@erased.invalid", "erased", (), _blank_part(facts.type)):
        try:
            return facts.adapter.validate_python(candidate)
        except (ValidationError, Refusal):
            continue
    raise Defect(f"{facts.name} is personal and can't be blank: let it be nullable, or say why it is kept.")


def _blank_part(kind: Any) -> Any:
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return None
    return {name: "erased" for name, facts in kind.model_fields.items() if facts.is_required()}


def _about(model: type[Entity], columns: list[tuple[FieldFacts, Personal]], person: Person) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = []
    for name in dict.fromkeys(name for _, mark in columns for name in mark.by):
        column: Any = getattr(model, name)
        is_text = name != "id" and model.__facts__[name].type is str
        conditions.append(func.lower(column).in_(person.emails) if is_text else column.in_(person.ids))
    return or_(*conditions)
