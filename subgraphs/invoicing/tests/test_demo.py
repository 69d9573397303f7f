"""The demo data of invoicing: made by commands, the same in every run, once (demo.md)."""

from datetime import date

import pytest

from shared.demo import plant
from tests.modules import Starter

pytestmark = pytest.mark.anyio


async def test_every_state_is_there_and_nothing_is_planted_twice(start_module: Starter) -> None:
    module = await start_module("invoicing")
    ada = await module.new_tenant()
    assert ada.tenant is not None

    for _ in range(2):
        await plant(module.module, module.database, ada.tenant, "lumen", date(2026, 6, 30), 0.02)

    rows = await module.rows(ada.tenant, "select status, count(*) as count from invoice group by status")
    counts = {row["status"]: row["count"] for row in rows}
    assert set(counts) == {"DRAFT", "ISSUED", "PARTLY_PAID", "PAID", "OVERDUE", "VOIDED", "CREDITED"}
    assert sum(counts.values()) == 28
    acme = await module.rows(
        ada.tenant, "select status from invoice where (bill_to->>'name') like 'ACME%' and status <> 'PAID'"
    )
    assert [row["status"] for row in acme] == ["ISSUED"] * 3
    numbers = await module.rows(
        ada.tenant, "select number, issue_date from invoice where number is not null order by number"
    )
    assert numbers == sorted(numbers, key=lambda row: row["issue_date"])
