"""Payments, credit notes and what is left open (INV-4 to INV-7, INV-13 to INV-17)."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

pytestmark = pytest.mark.anyio
NOTE = "creditNote { id number status netTotal { amount } taxTotal { amount } grossTotal { amount } }"


def codes(payload: Any) -> list[str]:
    return [error["code"] for error in payload["userErrors"]]


async def credit(books: Any, invoice: Any, **more: Any) -> Any:
    arguments = {"invoiceId": invoice["id"], "issueDate": "2026-04-02", "reason": "RETURN", **more}
    return await books.command("issueCreditNote", NOTE, **arguments)


async def test_parts_make_an_invoice_partly_paid_then_paid(books: Any) -> None:
    """INV-4, INV-5, S8"""
    yesterday = books.day(-1)
    invoice = await books.issued(on=books.day(-3))

    first = await books.pay(invoice, "10000", on=books.day(-2))
    second = await books.pay(invoice, "17120", on=yesterday)

    assert first["invoicePayment"]["invoice"] == {"status": "PARTLY_PAID", "balance": {"amount": "17120.00"}}
    assert second["invoicePayment"]["invoice"] == {"status": "PAID", "balance": {"amount": "0.00"}}
    (paid,) = await books.told("invoice.paid")
    assert (paid["paidOn"], paid["writtenOff"]["amount"], paid["netTotal"]["amount"]) == (
        yesterday,
        "0.00",
        "24000.00",
    )
    assert [one["balance"]["amount"] for one in await books.told("invoice.payment.recorded")] == ["17120.00", "0.00"]


async def test_more_than_the_balance_or_another_currency_is_refused(books: Any) -> None:
    """INV-4"""
    invoice = await books.issued("100")

    assert codes(await books.pay(invoice, "113.01")) == ["OVERPAYMENT"]
    assert codes(await books.pay(invoice, "1", currency="USD")) == ["CURRENCY_MISMATCH"]
    assert codes(await books.pay(await books.draft(), "1")) == ["ILLEGAL_STATE"]
    assert (await books.row(invoice))["paid_total_amount"] == 0


async def test_a_bounced_payment_opens_the_invoice_again(books: Any) -> None:
    """INV-14, S8"""
    invoice = await books.issued(on=books.day(-3))
    await books.pay(invoice, "10000", on=books.day(-2))
    last = await books.pay(invoice, "17120", on=books.day(-1))
    selection = "invoicePayment { amount { amount } reversesId invoice { status } }"

    payment = last["invoicePayment"]["id"]
    bounced = await books.command("reverseInvoicePayment", selection, paymentId=payment, reason="bounced")
    again = await books.command("reverseInvoicePayment", selection, paymentId=payment, reason="bounced")

    assert bounced["invoicePayment"] == {
        "amount": {"amount": "-17120.00"},
        "reversesId": payment,
        "invoice": {"status": "PARTLY_PAID"},
    }
    assert codes(again) == ["ILLEGAL_STATE"]


async def test_half_credited_after_payment_frees_half(books: Any) -> None:
    """INV-7, INV-13, S8: the invoice stays PAID, paid and credited add up to its gross."""
    invoice = await books.issued()
    await books.pay(invoice, "27120")
    before = await books.row(invoice)

    line = invoice["lines"][0]["id"]
    payload = await credit(books, invoice, lines=[{"lineId": line, "quantity": "0.5"}])

    note = payload["creditNote"]
    assert [note[total]["amount"] for total in ("netTotal", "taxTotal", "grossTotal")] == [
        "12000.00",
        "1560.00",
        "13560.00",
    ]
    assert (note["number"], note["status"]) == ("CN-2026-00001", "ISSUED")
    after = await books.row(invoice)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"paid_total_amount", "credited_total_amount", "version", "updated_at"}
    assert after["paid_total_amount"] == after["credited_total_amount"] == 13560
    (fact,) = await books.told("credit_note.issued")
    assert (fact["invoiceNet"]["amount"], fact["fullyCredited"]) == ("24000.00", False)


async def test_no_more_is_credited_than_was_invoiced(books: Any) -> None:
    """INV-7"""
    invoice = await books.issued("100")
    line = invoice["lines"][0]["id"]
    net = {"amount": "60", "currency": "CNY"}

    first = await credit(books, invoice, lines=[{"lineId": line, "net": net}])
    second = await credit(books, invoice, lines=[{"lineId": line, "net": net}])
    rest = await credit(books, invoice, full=True)

    assert (first["creditNote"]["grossTotal"]["amount"], first["creditNote"]["status"]) == ("67.80", "APPLIED")
    assert codes(second) == ["EXCEEDS_INVOICE"]
    assert rest["creditNote"]["grossTotal"]["amount"] == "45.20"
    assert (await books.row(invoice))["status"] == "CREDITED"
    assert codes(await credit(books, invoice, full=True)) == ["ILLEGAL_STATE"]


async def test_a_refused_credit_note_uses_no_number(books: Any) -> None:
    """INV-1"""
    invoice = await books.issued("100")
    line = invoice["lines"][0]["id"]

    await credit(books, invoice, lines=[{"lineId": line, "quantity": "2"}])
    note = await credit(books, invoice, lines=[{"lineId": line, "quantity": "1"}])

    assert note["creditNote"]["number"] == "CN-2026-00001"


async def test_freed_credit_pays_another_invoice(books: Any) -> None:
    """INV-13: customer credit, fromCredit."""
    paid, other = await books.issued("100"), await books.issued("50")
    await books.pay(paid, "113")
    note = await credit(books, paid, full=True)

    applied = await books.command(
        "applyCreditNote", "creditNote { status }", id=note["creditNote"]["id"], invoiceId=other["id"]
    )

    assert applied["creditNote"]["status"] == "ISSUED"
    assert (await books.row(other))["status"] == "PAID"
    (row,) = await books.module.rows(books.tenant, "select remaining_amount from customer_credit")
    assert row["remaining_amount"] == 113 - 56.5
    assert [one["fromCredit"] for one in await books.told("invoice.payment.recorded")] == [False, True]


async def test_a_write_off_is_taken_back_by_later_money(books: Any) -> None:
    """INV-17"""
    invoice = await books.issued("100")
    await books.pay(invoice, "13")

    written = await books.command("writeOffInvoice", id=invoice["id"], reason="insolvent")
    money = await books.pay(invoice, "100")

    assert written["invoice"]["status"] == "PAID"
    assert money["userErrors"] == []
    row = await books.row(invoice)
    assert (row["status"], row["paid_total_amount"], row["written_off_amount"]) == ("PAID", 113, 0)
    assert [one["writtenOff"]["amount"] for one in await books.told("invoice.paid")] == ["100.00", "0.00"]


async def test_early_payment_earns_the_discount(books: Any) -> None:
    """INV-16"""
    term = {"days": 30, "discountPct": "2", "discountDays": 10}
    early = await books.issued("100", on="2026-03-12", paymentTerm=term)
    late = await books.issued("100", on="2026-03-12", paymentTerm=term)

    await books.pay(early, "110.74", on="2026-03-22")
    await books.pay(late, "110.74", on="2026-03-23")

    settled, open_ = await books.row(early), await books.row(late)
    assert (settled["status"], str(settled["credited_total_amount"])) == ("PAID", "2.260000")
    assert open_["status"] == "OVERDUE"
    (note,) = await books.told("credit_note.issued")
    assert (note["reason"], note["netTotal"]["amount"], note["taxTotal"]["amount"]) == ("GOODWILL", "2.00", "0.26")


async def test_a_reopened_deal_leaves_a_credit_note_for_review(books: Any) -> None:
    """INV-11: issued already, so nothing is undone by itself; the draft becomes the note when someone issues it."""
    deal = books.customer("deal")
    won = {
        "dealId": deal,
        "closingNo": 1,
        "title": "Brand refresh",
        "customerId": books.customer(),
        "customerName": "ACME",
        "amount": {"amount": "24000", "currency": "CNY"},
        "lines": [],
    }
    await books.hear("deal.close.won", "Deal", deal, 1, won)
    (draft,) = await books.module.rows(books.tenant, "select id from invoice")
    invoice = (await books.command("issueInvoice", id=str(draft["id"]), issueDate="2026-03-12"))["invoice"]

    reopened = {"dealId": deal, "closingNo": 1, "previousStatus": "WON", "reason": "x"}
    await books.hear("deal.reopened", "Deal", deal, 2, reopened)

    (waiting,) = await books.module.rows(books.tenant, "select * from credit_note")
    assert (waiting["status"], waiting["number"], waiting["gross_total_amount"]) == ("DRAFT", None, 27120)
    assert (await books.row(invoice))["status"] in ("ISSUED", "OVERDUE")
    issued = await credit(books, invoice, full=True, reason="DEAL_REOPENED")
    assert UUID(issued["creditNote"]["id"]) == waiting["id"]
    assert (await books.row(invoice))["status"] == "CREDITED"


async def test_an_order_takes_the_place_of_the_deals_draft_or_takes_off_what_was_issued(books: Any) -> None:
    """INV-11: deal and order never bill twice."""
    for label, issue in (("first", False), ("second", True)):
        deal = books.customer(label)
        won = {
            "dealId": deal,
            "closingNo": 1,
            "title": "Work",
            "customerId": books.customer(),
            "customerName": "ACME",
            "amount": {"amount": "1000", "currency": "CNY"},
        }
        await books.hear("deal.close.won", "Deal", deal, 1, won)
        (draft,) = await books.module.rows(books.tenant, "select id from invoice where deal_id = $1", UUID(deal))
        if issue:
            await books.command("issueInvoice", id=str(draft["id"]), issueDate="2026-03-12")
        batch = {
            "sourceKey": f"batch:{deal}",
            "originKey": f"deal:{deal}:1",
            "customerId": books.customer(),
            "customerName": "ACME",
            "currency": "CNY",
            "lines": [{"description": "Hours", "quantity": "8", "unitPrice": {"amount": "200", "currency": "CNY"}}],
        }
        await books.hear("billable.batch.ready", "BillableBatch", books.customer(f"{label} batch"), 1, batch)
        rows = await books.module.rows(
            books.tenant,
            "select status, net_total_amount from invoice where origin_key = $1 order by id",
            f"deal:{deal}:1",
        )
        found = [(row["status"], int(row["net_total_amount"])) for row in rows]
        assert found == ([("ISSUED", 1000), ("DRAFT", 600)] if issue else [("VOIDED", 1000), ("DRAFT", 1600)])


async def test_a_batch_for_nobody_becomes_a_draft_that_waits_for_who_pays(books: Any) -> None:
    """A project may have no customer; the event was parked, and its batch never billed"""
    batch = {
        "sourceKey": f"batch:{books.customer('nobody')}",
        "originKey": None,
        "customerId": None,
        "customerName": None,
        "currency": "CNY",
        "lines": [{"description": "Hours", "quantity": "8", "unitPrice": {"amount": "200", "currency": "CNY"}}],
    }

    await books.hear("billable.batch.ready", "BillableBatch", books.customer("nobody"), 1, batch)

    statement = "select id from invoice where source_key = $1 and status = 'DRAFT'"
    (draft,) = await books.module.rows(books.tenant, statement, batch["sourceKey"])
    assert codes(await books.command("issueInvoice", id=str(draft["id"]))) == ["BILL_TO_REQUIRED"]


async def test_merged_customers_are_read_under_the_survivor(books: Any) -> None:
    invoice = await books.issued("100", customerId=books.customer("merged"))
    await books.hear(
        "customer.merged",
        "Customer",
        books.customer(),
        1,
        {"survivorId": books.customer(), "mergedId": books.customer("merged")},
    )

    data = await books.ask(
        "query($r: [_Any!]!) { _entities(representations: $r) { ... on Customer { openInvoices { id customerId } } } }",
        r=[{"__typename": "Customer", "id": books.customer()}],
    )

    assert data["_entities"] == [{"openInvoices": [{"id": invoice["id"], "customerId": books.customer("merged")}]}]


async def test_receivables_are_aged_as_of_any_day(books: Any) -> None:
    invoice = await books.issued("100", on="2026-03-12")
    await books.pay(invoice, "13", on="2026-05-01")
    query = """query($asOf: Date!) { agedReceivables(asOf: $asOf) {
        customerId current { amount } daysTo30 { amount } daysTo60 { amount } } }"""

    async def on(day: str) -> Any:
        return [
            [row[age]["amount"] for age in ("current", "daysTo30", "daysTo60")]
            for row in (await books.ask(query, asOf=day))["agedReceivables"]
        ]

    assert await on("2026-03-11") == []
    assert await on("2026-04-11") == [["113.00", "0.00", "0.00"]]
    assert await on("2026-04-30") == [["0.00", "113.00", "0.00"]]
    assert await on("2026-05-31") == [["0.00", "0.00", "100.00"]]


async def test_a_deal_and_its_order_told_at_the_same_moment_bill_once(books: Any) -> None:
    """INV-11: whichever comes first, one live document of 1 600."""
    for number in range(6):
        deal, batch = books.customer(f"deal {number}"), books.customer(f"batch {number}")
        fact = {
            "sourceKey": f"batch:{batch}",
            "originKey": f"deal:{deal}:1",
            "customerName": "ACME",
            "currency": "CNY",
            "lines": [{"description": "Hours", "quantity": "8", "unitPrice": {"amount": "200", "currency": "CNY"}}],
        }
        won = {
            "dealId": deal,
            "closingNo": 1,
            "title": "Work",
            "customerId": books.customer(),
            "customerName": "ACME",
            "amount": {"amount": "1000", "currency": "CNY"},
        }
        told = [("deal.close.won", "Deal", deal, 1, won), ("billable.batch.ready", "BillableBatch", batch, 1, fact)]

        await asyncio.gather(*(books.hear(*one) for one in told[:: 1 if number % 2 else -1]))

        rows = await books.module.rows(
            books.tenant,
            "select net_total_amount from invoice where origin_key = $1 and status <> 'VOIDED'",
            f"deal:{deal}:1",
        )
        assert [int(row["net_total_amount"]) for row in rows] == [1600]
