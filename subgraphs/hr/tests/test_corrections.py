"""What becomes of a commission afterwards: credits, clawbacks, invoices, quotas (S8; HR-8 to HR-14)."""

from decimal import Decimal
from typing import Any
from uuid import uuid5

import pytest

from shared.values import Money
from subgraphs.hr import models
from subgraphs.hr.models import CommissionPlanTrigger

pytestmark = pytest.mark.anyio


def cny(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "CNY"}


async def credit(story: Any, label: str, net: str, on: str, sequence: int = 1, invoice: str = "invoice") -> None:
    await story.hear(
        "credit_note.issued",
        "CreditNote",
        label,
        sequence,
        creditNoteId=str(uuid5(story.tenant, label)),
        invoiceId=str(uuid5(story.tenant, invoice)),
        originKey=f"deal:{story.deal()}:1",
        issueDate=on,
        netTotal=cny(net),
        grossTotal=cny(net),
    )


async def refund(story: Any, label: str, net: str, on: str) -> None:
    await story.hear(
        "invoice.refunded",
        "InvoicePayment",
        label,
        1,
        refundId=str(uuid5(story.tenant, label)),
        invoiceId=str(uuid5(story.tenant, "invoice")),
        originKey=f"deal:{story.deal()}:1",
        refundedNet=cny(net),
        refundedGross=cny(net),
        refundedOn=on,
    )


async def amounts(story: Any) -> list[tuple[str, str, int]]:
    return [(one["kind"], one["status"], int(one["amount_amount"])) for one in await story.entries()]


async def test_a_credit_note_and_its_refund_count_once_in_either_order(begin: Any) -> None:
    """S8, HR-9, HR-13: still accrued, so scaled in place."""
    for order in ((credit, refund), (refund, credit)):
        story = await begin()
        await story.won(1, 1, "24000.00")
        await story.heard(1, 1)

        for say in order:
            await say(story, say.__name__, "12000.00", "2026-04-02")

        assert await amounts(story) == [("ACCRUAL", "ACCRUED", 810)]
        assert await story.told("commission.clawed_back") == []


async def test_a_credit_heard_before_its_deal_counts(begin: Any) -> None:
    """HR-9: facts in any order."""
    story = await begin()

    await credit(story, "note", "12000.00", "2026-04-02")
    await story.won(1, 1, "24000.00")
    await story.heard(1, 1)

    assert await amounts(story) == [("ACCRUAL", "ACCRUED", 810)]


@pytest.mark.parametrize(("day", "clawed"), [("2026-06-08", True), ("2026-06-09", False)])
async def test_an_approved_commission_is_clawed_back_within_the_window(begin: Any, day: str, clawed: bool) -> None:
    """S8, HR-9: up to and including day 90."""
    story = await begin()
    await story.won(1, 1, "24000.00")
    await story.heard(1, 1)
    approved = await story.command("approveCommissions", "commissionEntries { status }", periodLabel="2026-03")

    await credit(story, "note", "12000.00", day)
    await refund(story, "refund", "12000.00", day)

    assert approved["commissionEntries"] == [{"status": "APPROVED"}]
    kept = [("ACCRUAL", "APPROVED", 1620)]
    assert await amounts(story) == [*kept, ("CLAWBACK", "APPROVED", -810)] if clawed else kept
    if clawed:
        (row,) = [one for one in await story.entries() if one["kind"] == "CLAWBACK"]
        assert row["period_label"] == "2026-06"


async def test_never_more_is_taken_back_than_was_earned(begin: Any) -> None:
    """HR-9, HR-13: half credited, then the deal is reopened: together the whole."""
    story = await begin()
    await story.won(1, 1, "24000.00")
    await story.heard(1, 1)
    await story.command("approveCommissions", "commissionEntries { id }", periodLabel="2026-03")

    await credit(story, "note", "12000.00", "2026-04-02")
    await story.reopened(1, 2)
    await story.heard(1, 2)
    await credit(story, "other", "24000.00", "2026-04-03")

    assert sum(one[2] for one in await amounts(story)) == 0
    assert [one[2] for one in await amounts(story) if one[0] == "CLAWBACK"] == [-810, -810]


async def test_frozen_entries_fill_the_tiers_first(begin: Any) -> None:
    """HR-7, HR-11: a deal closed earlier but heard of later does not change what was approved."""
    story = await begin()
    await story.won(5, 1, "10000.00")
    await story.heard(5, 1)
    await story.command("approveCommissions", "commissionEntries { id }", periodLabel="2026-03")

    await story.won(1, 1, "10000.00")
    await story.heard(1, 1)

    entries = sorted(await story.entries(), key=lambda one: one["closed_at"])
    assert [(one["status"], int(one["amount_amount"])) for one in entries] == [("ACCRUED", 800), ("APPROVED", 500)]


async def test_a_team_shares_a_deal_to_the_last_cent(begin: Any) -> None:
    """HR-8"""
    story = await begin()
    async with story.hr.transaction(story.ada) as tx:
        bo = await tx.get(models.Employee, story.bo)
        cy = tx.add(
            models.Employee(
                employee_number="E-CY", full_name="Cy", department_id=bo.department_id, hired_on=bo.hired_on
            )
        )
        tx.add(models.PlanAssignment(employee_id=cy.id, plan_id=story.plan, valid_from=bo.hired_on))
    team = [{"employeeId": str(story.bo), "splitPct": "33.33"}, {"employeeId": str(cy.id), "splitPct": "66.67"}]

    await story.won(1, 1, "100.01", salesTeam=team)
    await story.heard(1, 1)

    bases = {one["employee_id"]: one["base_amount_amount"] for one in await story.entries()}
    assert bases == {story.bo: Decimal("33.33"), cy.id: Decimal("66.68")}


async def test_a_plan_on_collection_waits_for_the_money(begin: Any) -> None:
    """HR-12, INV-17: expectation at the deal, accrual at invoice.paid, on what was collected; a bounce takes it back."""
    story = await begin(trigger=CommissionPlanTrigger.INVOICE_PAID)
    await story.won(1, 1, "24000.00")
    await story.heard(1, 1)
    assert await story.entries() == []
    invoice = {
        "invoiceId": str(uuid5(story.tenant, "invoice")),
        "originKey": f"deal:{story.deal()}:1",
        "netTotal": cny("24000.00"),
        "grossTotal": cny("27120.00"),
    }

    async def payment(label: str, amount: str) -> None:
        data = {"invoiceId": invoice["invoiceId"], "invoicePaymentId": str(uuid5(story.tenant, label))}
        await story.hear(
            "invoice.payment.recorded", "InvoicePayment", label, 1, **data, amount=cny(amount), method="BANK"
        )

    await story.hear("invoice.issued", "Invoice", "invoice", 1, **invoice, issueDate="2026-03-12")
    await story.hear("invoice.paid", "Invoice", "invoice", 2, **invoice, paidOn="2026-04-12")
    assert await story.entries() == []  # the payment itself was not heard of yet
    await payment("first", "27120.00")
    paid = await story.entries()
    await payment("bounce", "-27120.00")

    assert [(one["period_label"], int(one["amount_amount"])) for one in paid] == [("2026-04", 1620)]
    assert await amounts(story) == [("ACCRUAL", "REVERSED", 0)]


async def test_the_top_rate_holds_for_the_whole_period_once_the_quota_is_passed(begin: Any) -> None:
    """HR-7: the difference is an adjustment."""
    story = await begin(accelerator=True, quota_amount=Money(Decimal(15000), "CNY"))

    await story.won(1, 1, "12000.00")
    await story.heard(1, 1)
    before = await amounts(story)
    await story.won(2, 1, "8000.00")
    await story.heard(2, 1)

    assert before == [("ACCRUAL", "ACCRUED", 660)]
    assert sum(one[2] for one in await amounts(story)) == 1600
    assert [one[2] for one in await amounts(story) if one[0] == "ADJUSTMENT"] == [300]


async def test_another_currency_is_converted_at_the_rate_of_the_day(begin: Any) -> None:
    """HR-11"""
    story = await begin()
    for sequence, (day, rate) in enumerate([("2026-03-09", "7.00"), ("2026-03-11", "8.00")], 1):
        await story.hear(
            "exchange_rate.updated",
            "ExchangeRate",
            "usd",
            sequence,
            pair="USD/CNY",
            rate=rate,
            rateDate=day,
            kind="SPOT",
        )

    await story.won(1, 1, "1000.00", currency="USD")
    await story.heard(1, 1)

    (entry,) = await story.entries()
    assert (entry["base_amount_amount"], entry["base_amount_currency"], entry["fx_rate"]) == (7000, "CNY", 7)


async def test_plans_replace_each_other_by_day(begin: Any) -> None:
    """HR-10, S3: P2 from the 11th; a deal of the 10th heard later still counts under P1."""
    story = await begin()
    tiers = [{"fromAmount": "0", "ratePct": "50"}]
    p2 = await story.command("defineCommissionPlan", "commissionPlan { id tierTable }", name="P2", tiers=tiers)
    plan = p2["commissionPlan"]["id"]
    assigned = await story.command(
        "assignCommissionPlan",
        "planAssignment { validFrom }",
        employeeId=str(story.bo),
        planId=plan,
        validFrom="2026-03-11",
    )
    twice = await story.command(
        "assignCommissionPlan",
        "planAssignment { id }",
        employeeId=str(story.bo),
        planId=plan,
        validFrom="2026-03-11",
        splitPct="40",
    )

    await story.won(1, 1, "1000.00")
    await story.won(2, 1, "1000.00", closedOn="2026-03-11")
    await story.heard(1, 1)
    await story.heard(2, 1)

    assert assigned["userErrors"] == []
    assert [error["code"] for error in twice["userErrors"]] == ["OVERLAP"]
    assert sorted(int(one["amount_amount"]) for one in await story.entries()) == [50, 500]


async def test_tiers_rise(begin: Any) -> None:
    story = await begin()
    tiers = [{"fromAmount": "0", "ratePct": "5"}, {"fromAmount": "0", "ratePct": "8"}]

    payload = await story.command("defineCommissionPlan", "commissionPlan { id }", name="P", tiers=tiers)

    assert [error["code"] for error in payload["userErrors"]] == ["TIERS_NOT_ASCENDING"]
