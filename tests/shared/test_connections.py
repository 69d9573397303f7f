"""Connections: pages to the end and back, filters, stable order."""

import pytest

from shared.wire.principal import Principal
from tests.modules import RunningModule

pytestmark = pytest.mark.anyio
NAMES = ["Ada", "Bo", "Chen", "Dora", "Eve", "Finn", "Gao"]
PAGE = "customers(first: $first, after: $after, last: $last, before: $before, sort: $sort) { nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount }"
QUERY = f"query($first: Int, $after: String, $last: Int, $before: String, $sort: CustomerSort) {{ {PAGE} }}"


async def some_customers(crm: RunningModule) -> Principal:
    ada = await crm.new_tenant()
    for number, name in enumerate(NAMES):
        country = "CN" if number % 2 else None
        await crm.command(ada, "registerCustomer", "customer { id }", name=name, countryCode=country)
    return ada


@pytest.mark.parametrize("field", ["NAME", "CREATED_AT"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_pages_lead_to_the_end_and_back(crm: RunningModule, field: str, direction: str) -> None:
    ada = await some_customers(crm)
    sort = {"field": field, "direction": direction}
    expected = NAMES if direction == "ASC" else NAMES[::-1]

    forwards: list[str] = []
    after = None
    while True:
        page = (await crm.execute(ada, QUERY, first=3, after=after, sort=sort)).data["customers"]
        forwards += [node["name"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    backwards: list[str] = []
    before = None
    while True:
        page = (await crm.execute(ada, QUERY, last=3, before=before, sort=sort)).data["customers"]
        backwards = [node["name"] for node in page["nodes"]] + backwards
        before = page["pageInfo"]["startCursor"]
        if not page["pageInfo"]["hasPreviousPage"]:
            break

    assert forwards == backwards == expected
    assert page["totalCount"] == len(NAMES)


async def test_rows_that_are_equal_in_the_sort_field_are_listed_once_each(crm: RunningModule) -> None:
    ada = await crm.new_tenant()
    customer = (await crm.command(ada, "registerCustomer", "customer { id }", name="Acme"))["customer"]["id"]
    for number in range(5):
        amount = {"amount": "10", "currency": "CNY"} if number < 3 else None
        await crm.command(ada, "openDeal", "deal { id }", customerId=customer, title=f"D{number}", amount=amount)
    query = "query($after: String, $d: SortDirection!) { deals(first: 2, after: $after, sort: {field: AMOUNT, direction: $d}) { nodes { title } pageInfo { hasNextPage endCursor } } }"

    for direction in ("ASC", "DESC"):
        seen: list[str] = []
        after, more = None, True
        while more:
            page = (await crm.execute(ada, query, after=after, d=direction)).data["deals"]
            seen += [node["title"] for node in page["nodes"]]
            after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        assert sorted(seen) == ["D0", "D1", "D2", "D3", "D4"]


async def test_filters_join_and_nest(crm: RunningModule) -> None:
    ada = await some_customers(crm)
    query = "query($f: CustomerFilter) { customers(filter: $f, sort: {field: NAME}) { nodes { name } } }"

    async def names(condition: object) -> list[str]:
        answer = await crm.execute(ada, query, f=condition)
        return [node["name"] for node in answer.data["customers"]["nodes"]]

    assert await names({"name": {"contains": "a"}}) == ["Ada", "Dora", "Gao"]
    assert await names({"countryCode": {"isNull": False}, "name": {"in": ["Bo", "Ada"]}}) == ["Bo"]
    assert await names({"or": [{"name": {"eq": "Ada"}}, {"name": {"eq": "Eve"}}]}) == ["Ada", "Eve"]
    assert await names({"not": {"countryCode": {"eq": "CN"}}, "name": {"ne": "Ada"}}) == ["Chen", "Eve", "Gao"]
    assert await names({"name": {"contains": "%"}}) == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"first": 101}, "first"),
        ({"first": -1}, "first"),
        ({"first": 1, "last": 1}, "first"),
        ({"after": "x"}, "after"),
    ],
)
async def test_a_page_that_cannot_be_given_is_refused(
    crm: RunningModule, arguments: dict[str, object], field: str
) -> None:
    ada = await crm.new_tenant()

    answer = await crm.execute(ada, QUERY, **arguments)

    assert answer.data == {"customers": None}
    assert answer.errors[0]["extensions"]["code"] == "VALIDATION"


async def test_a_hundred_customers_with_lists_take_one_statement_a_list(crm: RunningModule) -> None:
    """S12: no N+1"""
    from sqlalchemy import event

    ada = await some_customers(crm)
    statements: list[str] = []
    engine = crm.database.engine.sync_engine

    def note(_conn: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if str(ada.tenant) in str(parameters):  # the module goes on meanwhile, with what other tests left it
            statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        await crm.execute(
            ada, "{ customers { nodes { name deals { title customer { name } } contacts { fullName } } } }"
        )
    finally:
        event.remove(engine, "before_cursor_execute", note)

    assert len(statements) == 3
