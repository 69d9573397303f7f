"""The one character that no text in PostgreSQL can hold is refused where it comes in, whatever field it is for."""

import pytest

from tests.modules import RunningModule

pytestmark = pytest.mark.anyio
_INPUT = 'name: "x", currency: "CNY"'


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (
            'mutation($s: String!) { registerCustomer(input: {name: $s, currency: "CNY"}) { userErrors { code } } }',
            "a\0b",
        ),
        ('mutation { registerCustomer(input: {name: "a\\u0000", currency: "CNY"}) { userErrors { code } } }', None),
        ('mutation { registerCustomer(input: {name: "a\\u{0}", currency: "CNY"}) { userErrors { code } } }', None),
        ("query($s: String) { customers(filter: {name: {eq: $s}}) { totalCount } }", "\0"),
        ("query($s: String) { customers(filter: {or: [{name: {contains: $s}}]}) { totalCount } }", "\0"),
        ("query($s: ID!) { customer(id: $s) { name } }", "\0"),
        (
            f"mutation($s: String!) {{ registerCustomer(input: {{{_INPUT}, idempotencyKey: $s}}) {{ userErrors {{ code }} }} }}",
            "k\0",
        ),
    ],
)
async def test_it_is_refused_and_nothing_is_executed(crm: RunningModule, query: str, variables: str | None) -> None:
    ada = await crm.new_tenant()

    answer = await crm.execute(ada, query, **({"s": variables} if variables else {}))

    assert [error["extensions"]["code"] for error in answer.errors] == ["VALIDATION"]
    assert answer.data is None
    assert await crm.rows(ada.tenant, "select 1 from customer") == []


async def test_other_controls_are_text(crm: RunningModule) -> None:
    ada = await crm.new_tenant()

    made = await crm.command(ada, "registerCustomer", "customer { name }", name="a\u0001b\\u0000", currency="CNY")

    assert made["customer"]["name"] == "a\u0001b\\u0000"
