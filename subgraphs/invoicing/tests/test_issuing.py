"""Drafts become documents: numbers without gaps, dates in order, nothing changed afterwards (INV-1, INV-2, INV-10)."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from shared.errors import MewayzError
from subgraphs.invoicing.models import Invoice, booking

pytestmark = pytest.mark.anyio


def codes(payload: Any) -> list[str]:
    return [error["code"] for error in payload["userErrors"]]


async def test_an_issued_invoice_has_its_number_due_date_and_totals(books: Any) -> None:
    """INV-1, INV-3, INV-10; F0: the series stands at 42."""
    await books.command(
        "startNumberSeries",
        "numberSeries { nextNumber }",
        documentKind="INVOICE",
        fiscalYear=2026,
        prefix="INV-2026-",
        nextNumber=42,
    )

    invoice = await books.issued("24000")

    assert (invoice["number"], invoice["status"]) == ("INV-2026-00042", "ISSUED")
    assert (invoice["issueDate"], invoice["dueDate"]) == ("2026-03-12", "2026-04-11")
    assert [invoice[total]["amount"] for total in ("netTotal", "taxTotal", "grossTotal")] == [
        "24000.00",
        "3120.00",
        "27120.00",
    ]
    assert invoice["balance"] == {"amount": "27120.00", "currency": "CNY"}


async def test_numbers_have_no_gap_when_a_quarter_of_parallel_issues_fails(books: Any) -> None:
    """INV-1, S8: 20 at once, 5 of them rolled back."""
    drafts = [await books.draft("100") for _ in range(20)]

    class Fails(MewayzError):
        pass

    async def issue(at: int, draft: Any) -> None:
        async with books.module.transaction(books.ada) as tx:
            invoice = await tx.get(Invoice, UUID(draft["id"]))
            await booking.issue(tx, invoice, await tx.today())
            if at % 4 == 0:
                await tx.session.flush()
                raise Fails("rolled back")

    results = await asyncio.gather(*(issue(at, draft) for at, draft in enumerate(drafts)), return_exceptions=True)

    assert [type(one) for one in results if one is not None] == [Fails] * 5
    rows = await books.module.rows(books.tenant, "select number from invoice where number is not null order by number")
    assert [int(row["number"][-5:]) for row in rows] == list(range(1, 16))


async def test_nothing_is_issued_before_the_last_document_of_its_series(books: Any) -> None:
    """INV-10"""
    await books.issued(on="2026-03-12")
    draft = await books.draft()

    early = await books.command("issueInvoice", id=draft["id"], issueDate="2026-03-11")
    same_day = await books.command("issueInvoice", id=draft["id"], issueDate="2026-03-12")

    assert codes(early) == ["DATE_BEFORE_LAST"]
    assert same_day["invoice"]["number"] == "INV-2026-00002"


async def test_a_draft_says_what_it_lacks(books: Any) -> None:
    empty = await books.draft(lines=[])
    nobody = await books.draft(billTo=None)

    assert codes(await books.command("issueInvoice", id=empty["id"])) == ["NO_LINES"]
    assert codes(await books.command("issueInvoice", id=nobody["id"])) == ["BILL_TO_REQUIRED"]


async def test_a_currency_without_a_suggested_tax_must_be_told_one(start_module: Any, books: Any) -> None:
    books.ada = await books.module.new_tenant(base_currency="USD", time_zone="America/Chicago")
    lines = [{"description": "Work", "unitPrice": {"amount": "10", "currency": "USD"}}]
    draft = await books.draft(lines=lines, currency="USD")

    refused = await books.command("issueInvoice", id=draft["id"], issueDate="2026-03-12")
    await books.command("setDefaultTax", "taxDefault { code }", code="TX", ratePct="8.25", roundingRule="PER_DOCUMENT")
    revised = await books.command("reviseDraftInvoice", id=draft["id"], lines=lines)
    issued = await books.command("issueInvoice", id=draft["id"], issueDate="2026-03-12")

    assert codes(refused) == ["TAX_CODE_REQUIRED"]
    assert revised["userErrors"] == []
    assert issued["invoice"]["taxTotal"]["amount"] == "0.83"


async def test_an_issued_invoice_cannot_be_revised(books: Any) -> None:
    """INV-2"""
    invoice = await books.issued()

    payload = await books.command("reviseDraftInvoice", id=invoice["id"], billTo={"name": "Somebody else"})

    assert codes(payload) == ["NOT_DRAFT"]


async def test_one_source_has_one_live_invoice_and_is_free_after_discarding(books: Any) -> None:
    """INV-8"""
    first = await books.draft(sourceKey="order:1")

    again = await books.command("draftInvoice", currency="CNY", lines=[], sourceKey="order:1")
    discarded = await books.command("voidInvoice", id=first["id"], reason="typo")
    free = await books.draft(sourceKey="order:1")

    assert codes(again) == ["SOURCE_TAKEN"]
    assert (discarded["invoice"]["status"], discarded["invoice"]["number"]) == ("VOIDED", None)
    assert free["status"] == "DRAFT"


async def test_a_voided_invoice_keeps_its_number(books: Any) -> None:
    """INV-1, INV-6"""
    first = await books.issued()

    voided = await books.command("voidInvoice", id=first["id"], reason="wrong customer")
    second = await books.issued()

    assert (voided["invoice"]["status"], voided["invoice"]["number"]) == ("VOIDED", "INV-2026-00001")
    assert second["number"] == "INV-2026-00002"


async def test_an_invoice_with_payments_or_in_a_closed_period_is_not_voided(books: Any) -> None:
    """INV-6"""
    paid, closed = await books.issued(), await books.issued()
    await books.pay(paid, "1")
    period = {
        "fiscalPeriodId": books.customer("p"),
        "label": "2026-03",
        "startsOn": "2026-03-01",
        "endsOn": "2026-03-31",
    }
    await books.hear("fiscal_period.closed", "FiscalPeriod", period["fiscalPeriodId"], 1, period)

    assert codes(await books.command("voidInvoice", id=paid["id"], reason="x")) == ["HAS_PAYMENTS"]
    assert codes(await books.command("voidInvoice", id=closed["id"], reason="x")) == ["PERIOD_CLOSED"]


async def test_a_foreign_invoice_keeps_the_rate_of_its_day(books: Any) -> None:
    """INV-9"""
    lines = [{"description": "Work", "unitPrice": {"amount": "100", "currency": "USD"}}]
    draft = await books.draft(lines=lines, currency="USD")
    missing = await books.command("issueInvoice", id=draft["id"], issueDate="2026-03-12")
    for sequence, (day, rate) in enumerate([("2026-03-10", "7.10"), ("2026-03-11", "7.20"), ("2026-03-13", "7.30")], 1):
        data = {"pair": "USD/CNY", "rate": rate, "rateDate": day, "kind": "SPOT"}
        await books.hear("exchange_rate.updated", "ExchangeRate", books.customer("usd"), sequence, data)

    issued = await books.command("issueInvoice", id=draft["id"], issueDate="2026-03-12")

    assert codes(missing) == ["RATE_MISSING"]
    assert issued["userErrors"] == []
    assert str((await books.row(issued["invoice"]))["exchange_rate"]).startswith("7.20")
    data = await books.ask(
        "query($r: [_Any!]!) { _entities(representations: $r) { ... on Customer { outstandingBalance { amount currency } } } }",
        r=[{"__typename": "Customer", "id": books.customer()}],
    )
    assert data["_entities"] == [{"outstandingBalance": {"amount": "813.60", "currency": "CNY"}}]


async def test_overdue_is_said_once(books: Any) -> None:
    """INV-5"""
    invoice = await books.issued(on="2026-03-12")

    on_due_day = await books.command("markInvoiceOverdue", "invoices { id }", asOf="2026-04-11")
    day_after = await books.command("markInvoiceOverdue", "invoices { id status }", asOf="2026-04-12")
    again = await books.command("markInvoiceOverdue", "invoices { id }", asOf="2026-04-13")

    assert on_due_day["invoices"] == again["invoices"] == []
    assert day_after["invoices"] == [{"id": invoice["id"], "status": "OVERDUE"}]
    (fact,) = await books.told("invoice.overdue")
    assert fact["daysLate"] == 1
