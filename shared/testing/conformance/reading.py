"""Reading: by id and by key, page after page, sorted, filtered (contracts.md, "Queries")."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from shared.database.entity import Entity
from shared.graph.filters import field_facts
from shared.graph.names import camel
from shared.testing.conformance.subject import Subject
from shared.values import Money, Searchable

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, sent: value == sent,
    "ne": lambda value, sent: value != sent,
    "in": lambda value, sent: value in sent,
    "lt": lambda value, sent: value is not None and value < sent,
    "lte": lambda value, sent: value is not None and value <= sent,
    "gt": lambda value, sent: value is not None and value > sent,
    "gte": lambda value, sent: value is not None and value >= sent,
    "contains": lambda value, sent: value is not None and sent.lower() in value.lower(),
    "isNull": lambda value, sent: (value is None) == sent,
}


async def a_row_is_found_by_id(subject: Subject) -> None:
    """Each row by its id; a malformed id answers like an absent one (contracts.md, "Ids and tenant")."""
    for model, one, _ in subject.lists():
        query = f"query($id: ID!) {{ {one}(id: $id) {{ id version }} }}"
        for row in subject.rows[model]:
            found = (await subject.ask(subject.ada, query, id=str(row.id)))[one]
            assert found == {"id": str(row.id), "version": row.version}, f"{one}({row.id}) is {found}"
        for absent in ("no-uuid", str(UUID(int=1))):
            assert (await subject.ask(subject.ada, query, id=absent))[one] is None


async def entities_are_resolved_by_key(subject: Subject) -> None:
    """`_entities` answers in the order it was asked, once for each, with null for what is not there."""
    query = "query($of: [_Any!]!) { _entities(representations: $of) { __typename ... on %s { id } } }"
    for model in subject.rows:
        ids = [str(row.id) for row in subject.rows[model]]
        asked = [*reversed(ids), ids[0], "no-uuid", str(UUID(int=1))]
        name = model.__name__
        found = await subject.ask(subject.ada, query % name, of=[{"__typename": name, "id": one} for one in asked])
        answered = [one and one["id"] for one in found["_entities"]]
        assert answered == [*reversed(ids), ids[0], None, None], f"_entities of {name}"


async def pages_lead_to_the_end_and_back(subject: Subject) -> None:
    """All rows once, newest first, by pages of two from either end; the count is of all of them."""
    for model, _, many in subject.lists():
        expected = [str(row.id) for row in sorted(subject.rows[model], key=lambda row: row.id, reverse=True)]
        forth = await _walk(subject, many, forward=True)
        back = await _walk(subject, many, forward=False)
        assert forth == expected, f"{many} from the start"
        assert back == expected, f"{many} from the end"
        count = await subject.ask(subject.ada, f"{{ {many}(first: 1) {{ totalCount }} }}")
        assert count[many]["totalCount"] == len(expected)


async def pages_are_bounded(subject: Subject) -> None:
    """No list without end: more than 100 rows a page are refused, and so is a cursor of nowhere."""
    for _, _, many in subject.lists():
        for wrong in ("first: 101", "first: -1", 'after: "nowhere"', "first: 1, last: 1"):
            answer = await subject.running.execute(subject.ada, f"{{ {many}({wrong}) {{ nodes {{ id }} }} }}")
            assert [error["extensions"]["code"] for error in answer.errors] == ["VALIDATION"], f"{many}({wrong})"


async def every_sort_is_total(subject: Subject) -> None:
    """Rows that are equal in the sorted field follow each other by id, nulls are least, and DESC is ASC turned round.

    A cursor in the midst of equal rows leads on where the page before ended.
    """
    for model, _, many in subject.lists():
        for name in subject.running.module.entities[model][1].sort:
            rows = sorted(subject.rows[model], key=lambda row, name=name: _place(row, name))
            expected = [str(row.id) for row in rows]
            for direction, wanted in (("ASC", expected), ("DESC", expected[::-1])):
                found = await _two_pages(subject, many, f"{{field: {name.upper()}, direction: {direction}}}")
                assert found == [wanted, wanted], f"{many} by {name} {direction}"


async def _two_pages(subject: Subject, many: str, sort: str) -> list[list[str]]:
    """Return a sorted list twice: as one page, and as two."""
    some = f"{{ {many}(first: 3, sort: {sort}) {{ nodes {{ id }} pageInfo {{ endCursor }} }} }}"
    first = (await subject.ask(subject.ada, some))[many]
    query = (
        f"query($after: String) {{ rest: {many}(first: 100, after: $after, sort: {sort}) {{ nodes {{ id }} }} "
        f"all: {many}(first: 100, sort: {sort}) {{ nodes {{ id }} }} }}"
    )
    found = await subject.ask(subject.ada, query, after=first["pageInfo"]["endCursor"])
    pages = ([*first["nodes"], *found["rest"]["nodes"]], found["all"]["nodes"])
    return [[node["id"] for node in page] for page in pages]


async def every_filter_means_what_it_says(subject: Subject) -> None:
    """Each operator of each field, alone, within `not` and within `or`, keeps the rows that it names."""
    for model, _, many in subject.lists():
        for name in subject.running.module.entities[model][1].filters:
            values = {str(row.id): _value(row, name) for row in subject.rows[model]}
            chosen = next((value for value in values.values() if value is not None), None)
            for operator in ["isNull"] if chosen is None else _operators(model, name):
                sent = [chosen] if operator == "in" else True if operator == "isNull" else chosen
                wanted = {one for one, value in values.items() if _OPERATORS[operator](value, sent)}
                condition = {camel(name): {operator: _json(sent)}}
                found = await _filtered(subject, model, many, condition)
                assert found == (wanted, values.keys() - wanted, values.keys()), f"{many}(filter: {condition})"


async def _filtered(
    subject: Subject, model: type[Entity], many: str, condition: Mapping[str, Any]
) -> tuple[set[str], ...]:
    """Return the rows where a condition holds, where it doesn't, and where it does or doesn't."""
    names = ("holds", "fails", "either")
    parts = " ".join(f"{name}: {many}(first: 100, filter: ${name}) {{ nodes {{ id }} }}" for name in names)
    declared = ", ".join(f"${name}: {model.__name__}Filter" for name in names)
    fails = {"not": condition}
    filters = dict(zip(names, (condition, fails, {"or": [condition, fails]}), strict=True))
    found = await subject.ask(subject.ada, f"query({declared}) {{ {parts} }}", **filters)
    return tuple({node["id"] for node in found[name]["nodes"]} for name in names)


async def _walk(subject: Subject, many: str, *, forward: bool, size: int = 2) -> list[str]:
    query = (
        f"query($first: Int, $after: String, $last: Int, $before: String) {{ "
        f"{many}(first: $first, after: $after, last: $last, before: $before) {{ "
        "nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"
    )
    ids: list[str] = []
    cursor: str | None = None
    for _ in range(100):
        page = {"first": size, "after": cursor} if forward else {"last": size, "before": cursor}
        found = (await subject.ask(subject.ada, query, **page))[many]
        got = [node["id"] for node in found["nodes"]]
        ids = [*ids, *got] if forward else [*got, *ids]
        info = found["pageInfo"]
        if not info["hasNextPage" if forward else "hasPreviousPage"]:
            return ids
        cursor = info["endCursor" if forward else "startCursor"]
    raise AssertionError(f"{many} has no end")


def _operators(model: type[Entity], name: str) -> list[str]:
    facts = field_facts(model, name)
    if any(isinstance(mark, Searchable) for mark in facts.marks):
        return ["eq", "ne", "in", "contains", "isNull"]
    if facts.type is bool:
        return ["eq", "isNull"]
    if facts.type in (str, UUID) or issubclass(facts.type, Enum):
        return ["eq", "ne", "in", "isNull"]
    return [operator for operator in _OPERATORS if operator != "contains"]


def _value(row: Entity, name: str) -> Any:
    value = getattr(row, name)
    return value.amount if isinstance(value, Money) else value


def _place(row: Entity, name: str) -> tuple[bool, Any, UUID]:
    value = _value(row, name)
    return value is not None, (value.value if isinstance(value, Enum) else value) or 0, row.id


def _json(value: Any) -> Any:
    if isinstance(value, list):
        return [_json(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID | Decimal) else value
