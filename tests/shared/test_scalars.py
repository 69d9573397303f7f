"""Dates, times and numbers that are none, or that no column could keep: refused as what they are, and no defect."""

import base64
from uuid import UUID

import orjson
import pytest

from tests.modules import RunningModule

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("Decimal", "amount", "1e999999"),
        ("Decimal", "amount", "1e-99999"),
        ("Decimal", "amount", "Infinity"),
        ("Decimal", "amount", "NaN"),
        ("Decimal", "amount", "9" * 61),
        ("Decimal", "amount", "ten"),
        ("DateTime", "closedAt", "2026-13-01T00:00:00Z"),
        ("DateTime", "closedAt", "9999-12-31T23:59:59-23:59"),
        ("DateTime", "closedAt", "0001-01-01T00:00:00+23:00"),
        ("DateTime", "closedAt", "24:00"),
        ("Date", "expectedCloseOn", "2026-02-30"),
    ],
)
async def test_a_value_that_is_none_is_told_as_such(crm: RunningModule, kind: str, field: str, value: str) -> None:
    ada = await crm.new_tenant()

    sent = await crm.execute(
        ada, f"query($v: {kind}!) {{ deals(filter: {{{field}: {{eq: $v}}}}) {{ totalCount }} }}", v=value
    )
    written = await crm.execute(ada, f'{{ deals(filter: {{{field}: {{eq: "{value}"}}}}) {{ totalCount }} }}')

    for answer in (sent, written):
        assert [error["extensions"]["code"] for error in answer.errors] == ["VALIDATION"]
        assert answer.data in (None, {"deals": None})


@pytest.mark.parametrize(
    "value", ["2026-01-01", "2026-01-01T08:00:00", "2026-01-01T00:00:00.5Z", "9999-12-31T23:59:59Z"]
)
async def test_a_time_without_a_zone_is_in_utc(crm: RunningModule, value: str) -> None:
    ada = await crm.new_tenant()

    answer = await crm.execute(
        ada, "query($v: DateTime!) { deals(filter: {closedAt: {gt: $v}}) { totalCount } }", v=value
    )

    assert answer.errors == []


@pytest.mark.parametrize(
    ("sort", "value"),
    [("AMOUNT", "1e99999"), ("CREATED_AT", "9999-12-31T23:59:59-23:59"), ("CREATED_AT", 1e17), ("AMOUNT", "NaN")],
)
async def test_a_cursor_that_somebody_wrote_is_told_as_such(crm: RunningModule, sort: str, value: object) -> None:
    ada = await crm.new_tenant()
    cursor = base64.urlsafe_b64encode(orjson.dumps([value, str(UUID(int=1))])).decode()

    query = "query($a: String!, $s: DealSortField!) { deals(after: $a, sort: {field: $s}) { totalCount } }"
    answer = await crm.execute(ada, query, a=cursor, s=sort)

    assert [error["extensions"]["code"] for error in answer.errors] == ["VALIDATION"]


async def test_a_number_that_its_column_can_not_hold_is_a_refusal(crm: RunningModule) -> None:
    ada = await crm.new_tenant()
    made = await crm.command(ada, "registerCustomer", "customer { id }", name="x", currency="CNY")
    amount = {"amount": "9" * 20, "currency": "CNY"}

    answer = await crm.command(
        ada, "openDeal", "deal { id }", title="x", customerId=made["customer"]["id"], amount=amount
    )

    assert [error["code"] for error in answer["userErrors"]] == ["VALIDATION"]
    assert answer["deal"] is None
