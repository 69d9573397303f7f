"""S1: a deal is won; the invoice is drafted and the commission computed, and CRM knows neither."""

from datetime import date
from decimal import Decimal

from tests.stories.world import F0
from tests.waiting import takes


def test_a_won_deal_becomes_an_invoice_draft_and_a_commission(lumen: F0) -> None:
    """S1, steps 1 to 6"""
    deal = lumen.open_deal("24000.00")

    won = lumen.win(deal)

    assert won["deal"]["status"] == "WON"
    assert won["userErrors"] == []
    event = lumen.envelope(deal)
    data = event["data"]
    assert data["dealId"] == deal
    assert data["closingNo"] == 1
    assert data["customerId"] == lumen.customer
    assert data["salespersonId"] == lumen.salesperson
    assert data["amount"] == {"amount": "24000.00", "currency": "CNY"}
    assert data["lines"] == []
    assert data["closedOn"] == "2026-03-10"

    lumen.world.settle()
    (invoice,) = lumen.invoices(deal)
    assert invoice["number"] is None
    assert str(invoice["customer_id"]) == lumen.customer
    assert invoice["source_key"] == invoice["origin_key"] == f"deal:{deal}:1"
    totals = [invoice[f"{name}_amount"] for name in ("net_total", "tax_total", "gross_total")]
    assert totals == [Decimal("24000.00"), Decimal("3120.00"), Decimal("27120.00")]
    (line,) = lumen.rows("invoicing", "select * from invoice_line where invoice_id = $1", invoice["id"])
    assert line["description"] == "D1"
    assert line["quantity"] == 1

    (entry,) = lumen.commissions(deal)
    assert (entry["kind"], entry["status"], entry["period_label"]) == ("ACCRUAL", "ACCRUED", "2026-03")
    assert entry["base_amount_amount"] == Decimal("24000.00")
    assert entry["amount_amount"] == Decimal("1620.00")
    assert entry["closed_on"] == date(2026, 3, 10)

    drafted = [
        one for one in lumen.world.events(lumen.tenant, "invoice.drafted") if one["subject"] == str(invoice["id"])
    ]
    accrued = [
        one for one in lumen.world.events(lumen.tenant, "commission.accrued") if one["subject"] == str(entry["id"])
    ]
    for caused in (drafted, accrued):
        assert len(caused) == 1
        assert caused[0]["causationid"] == event["id"]
        assert caused[0]["correlationid"] == event["correlationid"]

    seen = lumen.ask(
        "query($id: ID!) { deal(id: $id) { status invoices { status grossTotal { amount currency } } commissions { amount { amount } } } }",
        id=deal,
    )
    assert seen == {
        "data": {
            "deal": {
                "status": "WON",
                "invoices": [{"status": "DRAFT", "grossTotal": {"amount": "27120.00", "currency": "CNY"}}],
                "commissions": [{"amount": {"amount": "1620.00"}}],
            }
        }
    }


def test_a_deal_is_won_within_half_a_second(lumen: F0) -> None:
    """S1, step 1"""
    deals = iter([lumen.open_deal("1.00") for _ in range(10)])

    assert takes(lambda: lumen.win(next(deals)), below_s=0.5)


def test_winning_a_deal_twice_is_refused_without_a_second_event(lumen: F0) -> None:
    deal = lumen.open_deal()
    lumen.win(deal)

    again = lumen.win(deal)

    assert again["userErrors"][0]["code"] == "DEAL_CLOSED"
    assert lumen.envelope(deal)
