"""What Invoicing shows on customers, deals and the dashboard (S12)."""

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


async def test_open_invoices_come_oldest_due_first_with_their_balance(books: Any) -> None:
    newer = await books.issued("200", on="2026-03-12")
    older = await books.issued("100", on="2026-03-12", paymentTerm={"days": 7})
    settled = await books.issued("50", on="2026-03-12")
    await books.pay(settled, "56.50")
    await books.pay(older, "13")
    await books.draft("999")

    data = await books.ask(
        """query($r: [_Any!]!) { _entities(representations: $r) { ... on Customer {
            openInvoices(first: 5) { number balance { amount } dueDate } outstandingBalance { amount currency } } } }""",
        r=[
            {"__typename": "Customer", "id": books.customer()},
            {"__typename": "Customer", "id": books.customer("unknown")},
        ],
    )

    known, unknown = data["_entities"]
    assert [(one["number"], one["balance"]["amount"], one["dueDate"]) for one in known["openInvoices"]] == [
        (older["number"], "100.00", "2026-03-19"),
        (newer["number"], "226.00", "2026-04-11"),
    ]
    assert known["outstandingBalance"] == {"amount": "326.00", "currency": "CNY"}
    assert unknown == {"openInvoices": [], "outstandingBalance": {"amount": "0.00", "currency": "CNY"}}


async def test_the_card_shows_receivables_by_age(books: Any) -> None:
    await books.issued("100", on="2026-03-12")

    data = await books.ask(
        """query($r: [_Any!]!) { _entities(representations: $r) { ... on Dashboard {
            invoicing { byAge { current { amount } daysBeyond90 { amount currency } } } } } }""",
        r=[{"__typename": "Dashboard", "id": str(books.tenant)}],
    )

    (dashboard,) = data["_entities"]
    (row,) = dashboard["invoicing"]["byAge"]
    assert row["daysBeyond90"]["currency"] == "CNY"
    assert {row["current"]["amount"], row["daysBeyond90"]["amount"]} == {"0.00", "113.00"}
