"""A deal is won, reopened, won again: one live draft, whatever comes how often and when (S1, S4, S5)."""

from typing import Any
from uuid import UUID, uuid5

import pytest

from shared.wire.principal import Principal
from tests.modules import RunningModule, Starter, until

pytestmark = pytest.mark.anyio
_IDS = UUID("00000000-0000-4000-8000-000000000001")


@pytest.fixture
async def invoicing(start_module: Starter) -> RunningModule:
    return await start_module("invoicing")


def won(deal: UUID, closing_no: int = 1, amount: str = "24000.00", **more: Any) -> dict[str, Any]:
    return {
        "dealId": str(deal),
        "closingNo": closing_no,
        "title": "Brand refresh 品牌焕新",
        "customerId": str(uuid5(deal, "customer")),
        "customerName": "ACME 科技",
        "customerTaxNumber": None,
        "customerCountry": "CN",
        "billingAddress": None,
        "salespersonId": None,
        "salesTeam": [],
        "amount": {"amount": amount, "currency": "CNY"},
        "lines": [],
        "closedOn": "2026-03-10",
        "closedAt": "2026-03-10T02:00:00Z",
        **more,
    }


def reopened(deal: UUID, closing_no: int = 1, previous: str = "WON") -> dict[str, Any]:
    return {"dealId": str(deal), "closingNo": closing_no, "previousStatus": previous, "reason": "wrong price"}


async def invoices(module: RunningModule, ada: Principal) -> list[dict[str, Any]]:
    return await module.rows(ada.tenant, "select * from invoice order by created_at, id")


async def send(
    module: RunningModule, ada: Principal, deal: UUID, type_: str, sequence: int, data: dict[str, Any], **more: Any
) -> UUID:
    return await module.publish(ada.tenant, type_, "Deal", deal, sequence, data, **more)


async def settled(module: RunningModule, ada: Principal, deal: UUID, sequence: int) -> None:
    """Wait until the deal's event `sequence` has been applied."""

    async def applied() -> bool:
        rows = await module.rows(ada.tenant, "select last_sequence from kit.inbox_key where key = $1", f"Deal/{deal}")
        return bool(rows) and rows[0]["last_sequence"] >= sequence

    await until(applied)


async def test_a_won_deal_is_drafted_with_the_tenants_tax(invoicing: RunningModule) -> None:
    """S1.3"""
    ada = await invoicing.new_tenant()
    deal = uuid5(_IDS, str(ada.tenant))

    cause = await send(invoicing, ada, deal, "deal.close.won", 4, won(deal))

    await settled(invoicing, ada, deal, 4)
    (invoice,) = await invoices(invoicing, ada)
    assert (invoice["status"], invoice["number"]) == ("DRAFT", None)
    assert invoice["source_key"] == invoice["origin_key"] == f"deal:{deal}:1"
    totals = [invoice[f"{name}_total_amount"] for name in ("net", "tax", "gross")]
    assert totals == [24000, 3120, 27120]
    (line,) = await invoicing.rows(ada.tenant, "select * from invoice_line")
    assert (line["description"], line["quantity"], line["tax_code"]) == ("Brand refresh 品牌焕新", 1, "VAT13")

    async def published() -> bool:
        return len(await invoicing.outgoing(ada.tenant, "invoice.drafted")) == 1

    await until(published)
    (drafted,) = await invoicing.outgoing(ada.tenant, "invoice.drafted")
    assert drafted["causationid"] == drafted["correlationid"] == str(cause)
    assert drafted["data"]["grossTotal"] == {"amount": "27120.00", "currency": "CNY"}


async def test_a_deal_with_lines_is_drafted_line_by_line(invoicing: RunningModule) -> None:
    """INV-3"""
    ada = await invoicing.new_tenant()
    deal = uuid5(_IDS, str(ada.tenant))
    price = {"amount": "33.33", "currency": "CNY"}
    lines = [
        {"description": "Logo", "quantity": "3", "unitPrice": price, "discountPct": "10"},
        {"description": "Site", "quantity": "1", "unitPrice": price, "discountPct": "0", "lineKey": "b"},
    ]

    await send(invoicing, ada, deal, "deal.close.won", 1, won(deal, amount="123.32", lines=lines))

    await settled(invoicing, ada, deal, 1)
    rows = await invoicing.rows(ada.tenant, "select * from invoice_line order by position")
    assert [(str(row["net_amount_amount"]), str(row["tax_amount_amount"])) for row in rows] == [
        ("89.990000", "11.700000"),
        ("33.330000", "4.330000"),
    ]
    (invoice,) = await invoices(invoicing, ada)
    assert invoice["gross_total_amount"] == invoice["net_total_amount"] + invoice["tax_total_amount"]


async def test_the_same_closing_told_again_drafts_nothing(invoicing: RunningModule) -> None:
    """S4, INV-8"""
    ada = await invoicing.new_tenant()
    deal = uuid5(_IDS, str(ada.tenant))
    first = await send(invoicing, ada, deal, "deal.close.won", 1, won(deal))
    await settled(invoicing, ada, deal, 1)

    await send(invoicing, ada, deal, "deal.close.won", 1, won(deal), id=first)
    await send(invoicing, ada, deal, "deal.close.won", 2, won(deal))
    await settled(invoicing, ada, deal, 2)

    assert len(await invoices(invoicing, ada)) == 1


async def test_won_reopened_and_won_again_leaves_one_live_draft(invoicing: RunningModule) -> None:
    """S5"""
    ada = await invoicing.new_tenant()
    deal = uuid5(_IDS, str(ada.tenant))

    await send(invoicing, ada, deal, "deal.close.won", 4, won(deal))
    await send(invoicing, ada, deal, "deal.reopened", 5, reopened(deal))
    await send(invoicing, ada, deal, "deal.close.won", 6, won(deal, 2, "30000.00"))

    await settled(invoicing, ada, deal, 6)
    live = [row for row in await invoices(invoicing, ada) if row["status"] != "VOIDED"]
    assert [(row["source_key"], row["net_total_amount"]) for row in live] == [(f"deal:{deal}:2", 30000)]


async def test_a_closing_that_was_undone_before_it_was_heard_of_is_never_drafted(invoicing: RunningModule) -> None:
    """INV-11: the cancelling fact leaves a tombstone."""
    ada = await invoicing.new_tenant()
    deal = uuid5(_IDS, str(ada.tenant))

    await send(invoicing, ada, deal, "deal.reopened", 1, reopened(deal))
    await send(invoicing, ada, deal, "deal.close.won", 2, won(deal))

    await settled(invoicing, ada, deal, 2)
    assert await invoices(invoicing, ada) == []


async def test_reopening_a_lost_deal_undoes_nothing(invoicing: RunningModule) -> None:
    """CRM-3"""
    ada = await invoicing.new_tenant()
    deal = uuid5(_IDS, str(ada.tenant))
    await send(invoicing, ada, deal, "deal.close.won", 1, won(deal))

    await send(invoicing, ada, deal, "deal.reopened", 2, reopened(deal, 1, "LOST"))

    await settled(invoicing, ada, deal, 2)
    assert [row["status"] for row in await invoices(invoicing, ada)] == ["DRAFT"]
