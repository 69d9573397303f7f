"""S3: HR is down for a day; when it comes back it pays what it would have paid, by the plan of the day of the closing."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.stories.world import F0
from tests.waiting import until

DEALS = 30
TAKEN_BACK = 6  # D7
DAY_S = 86_400


def win_thirty_and_take_one_back(one: F0) -> list[str]:
    """Win 30 deals of 1 000 on 2026-03-10 and reopen the seventh."""
    deals = [one.open_deal("1000.00") for _ in range(DEALS)]
    for deal in deals:
        assert one.win(deal)["userErrors"] == []
    one.do("reopenDeal", "deal { id }", dealId=deals[TAKEN_BACK], reason="not signed after all")
    return deals


def replace_plan_from_the_next_day(one: F0) -> None:
    """P2 pays 50 %, from 2026-03-11."""
    tiers = [{"fromAmount": "0", "ratePct": "50"}]
    plan = {"name": "P2", "currency": one.currency, "tiers": tiers, "validFrom": "2026-03-11"}
    p2 = one.do("defineCommissionPlan", "commissionPlan { id }", **plan)["id"]
    one.do(
        "assignCommissionPlan",
        "planAssignment { id }",
        employeeId=one.salesperson,
        planId=p2,
        validFrom="2026-03-11",
    )


def entries_of(one: F0) -> list[dict[str, Any]]:
    statement = "select * from commission_entry where employee_id = $1 and kind = 'ACCRUAL'"
    return one.rows("hr", statement, UUID(one.salesperson))


def is_settled(one: F0) -> bool:
    entries = entries_of(one)
    return len(entries) == DEALS and [row["status"] for row in entries].count("REVERSED") == 1


def test_hr_pays_after_a_day_away_what_it_pays_when_it_is_there(lumen: F0, harbour: F0) -> None:
    """S3 (Notifications' part comes with that module)"""
    world = lumen.world
    for one in (lumen, harbour):
        replace_plan_from_the_next_day(one)
    control = win_thirty_and_take_one_back(harbour)
    until(lambda: is_settled(harbour))

    assert world.platform.run("stop", "hr").returncode == 0
    try:
        deals = win_thirty_and_take_one_back(lumen)
        world.move_clock(DAY_S)
    finally:
        assert world.platform.run("start", "hr").returncode == 0

    until(lambda: is_settled(lumen))
    world.settle()
    entries = entries_of(lumen)
    by_deal = {str(row["deal_id"]): row for row in entries}
    assert by_deal[deals[TAKEN_BACK]]["status"] == "REVERSED"
    assert {row["closed_on"] for row in entries} == {date(2026, 3, 10)}
    live = [by_deal[deal]["amount_amount"] for number, deal in enumerate(deals) if number != TAKEN_BACK]
    assert live == [Decimal("50.00")] * 10 + [Decimal("80.00")] * 19
    assert sum(live) == Decimal("2020.00")
    accrued = [
        event
        for event in world.events(lumen.tenant, "commission.accrued")
        if event["data"]["dealId"] == deals[TAKEN_BACK]
    ]
    assert Decimal(accrued[-1]["data"]["amount"]["amount"]) == 0
    assert [
        event
        for event in world.events(lumen.tenant, "commission.clawed_back")
        if event["data"]["employeeId"] == lumen.salesperson
    ] == []
    undisturbed = {
        str(row["deal_id"]): row["amount_amount"] for row in entries_of(harbour) if row["status"] != "REVERSED"
    }
    assert [undisturbed[deal] for number, deal in enumerate(control) if number != TAKEN_BACK] == live
