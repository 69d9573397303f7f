"""People and their leave (HR-1 to HR-6, HR-15)."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subgraphs.hr.models import absence
from subgraphs.hr.models.leave import LeavePolicy, LeaveRequestKind, accrued, up_to_half

pytestmark = pytest.mark.anyio
LEAVE = "leaveRequest { id status days balanceAfter dates { date part } }"


def codes(payload: Any) -> list[str]:
    return [error["code"] for error in payload["userErrors"]]


async def hire(story: Any, name: str, **more: Any) -> Any:
    (sales,) = await story.rows("select id from department")
    arguments = {"fullName": name, "departmentId": str(sales["id"]), "hiredOn": "2026-01-01", **more}
    selection = "employee { id employeeNumber status userId }"
    return (await story.command("hireEmployee", selection, **arguments))["employee"]


async def test_numbers_rise_and_the_account_with_the_same_mail_is_linked(begin: Any) -> None:
    """HR-1"""
    story = await begin()
    user = str(uuid5(story.tenant, "user"))
    await story.hear("user.activated", "UserAccount", "user", 1, userId=user, email="Cy@lumen.example")

    first, second = await hire(story, "Cy", workEmail="cy@lumen.example"), await hire(story, "Di")

    assert (first["employeeNumber"], first["userId"]) == ("E-00001", user)
    assert (second["employeeNumber"], second["userId"]) == ("E-00002", None)


async def test_who_comes_back_keeps_the_record(begin: Any) -> None:
    """HR-1"""
    story = await begin()
    cy = await hire(story, "Cy", workEmail="cy@lumen.example")
    (department,) = await story.rows("select id from department")
    again = {"fullName": "Cy", "departmentId": str(department["id"]), "workEmail": "cy@lumen.example"}
    now = await story.command("hireEmployee", "employee { id }", **again, hiredOn="2026-06-01")
    await story.command("terminateEmployee", "employee { status }", employeeId=cy["id"], leftOn="2026-05-31")

    back = await story.command("hireEmployee", "employee { id status leftOn }", **again, hiredOn="2026-07-01")

    assert codes(now) == ["ILLEGAL_STATE"]
    assert back["employee"] == {"id": cy["id"], "status": "ACTIVE", "leftOn": None}


async def test_nobody_becomes_their_own_superior(begin: Any) -> None:
    """HR-2"""
    story = await begin()
    boss = await hire(story, "Boss")
    report = await hire(story, "Report", managerId=boss["id"])
    (department,) = await story.rows("select id from department")

    payload = await story.command(
        "transferEmployee",
        "employee { id }",
        employeeId=boss["id"],
        departmentId=str(department["id"]),
        managerId=report["id"],
    )

    assert codes(payload) == ["MANAGER_CYCLE"]


async def test_leave_takes_working_days_and_checks_the_balance_of_its_day(begin: Any) -> None:
    """HR-3, HR-4, HR-5, HR-15: 24 days a year, two a month in arrears; three months are booked."""
    story = await begin()
    cy = await hire(story, "Cy")
    await story.command("defineLeavePolicy", "leavePolicy { id }", kind="ANNUAL", daysPerYear="24")
    await story.command("setWorkCalendar", "workCalendar { id }", publicHolidays=["2026-04-06"])
    for month in ("2026-01", "2026-02", "2026-03", "2026-03"):
        await story.command("accrueLeave", "employees { id }", period=month)

    async def request(first: str, last: str, **more: Any) -> Any:
        return await story.command("requestLeave", LEAVE, employeeId=cy["id"], startsOn=first, endsOn=last, **more)

    weekend = await request("2026-04-04", "2026-04-06")
    week = await request("2026-04-03", "2026-04-10")
    overlap = await request("2026-04-10", "2026-04-10")
    approved = await story.command("approveLeave", LEAVE, id=week["leaveRequest"]["id"])
    half = await request("2026-04-13", "2026-04-13", halfDay="AM")
    too_much = await request("2026-04-14", "2026-04-15")
    await story.command("approveLeave", LEAVE, id=half["leaveRequest"]["id"])
    refused = await story.command("approveLeave", LEAVE, id=too_much["leaveRequest"]["id"])
    later = await request("2026-06-01", "2026-06-02")
    with_accrual = await story.command("approveLeave", LEAVE, id=later["leaveRequest"]["id"])

    assert codes(weekend) == ["NO_WORKING_DAY"]
    assert week["leaveRequest"]["days"] == "5"
    assert codes(overlap) == ["OVERLAP"]
    assert [day["date"] for day in approved["leaveRequest"]["dates"]][:2] == ["2026-04-03", "2026-04-07"]
    assert Decimal(approved["leaveRequest"]["balanceAfter"]) == 1
    assert codes(refused) == ["INSUFFICIENT_BALANCE"]
    assert Decimal(with_accrual["leaveRequest"]["balanceAfter"]) == Decimal("2.5")


async def test_nobody_approves_their_own_leave_or_that_of_others_people(begin: Any) -> None:
    story = await begin()
    cy = await hire(story, "Cy")
    request = await story.command(
        "requestLeave", LEAVE, employeeId=cy["id"], startsOn="2026-04-07", endsOn="2026-04-07", kind="SICK"
    )
    cy_self = await story.as_employee(UUID(cy["id"]), "hr.leave.*@own")

    own = await story.hr.command(cy_self, "approveLeave", LEAVE, id=request["leaveRequest"]["id"])
    sick = await story.command("approveLeave", LEAVE, id=request["leaveRequest"]["id"])

    assert codes(own) == ["SELF_APPROVAL"]
    assert sick["leaveRequest"]["status"] == "APPROVED"


async def test_a_cancelled_leave_is_given_back(begin: Any) -> None:
    """HR-15"""
    story = await begin()
    cy = await hire(story, "Cy")
    await story.command(
        "defineLeavePolicy", "leavePolicy { id }", kind="ANNUAL", daysPerYear="12", allowNegativeDays="9"
    )
    request = await story.command(
        "requestLeave", LEAVE, employeeId=cy["id"], startsOn="2099-04-07", endsOn="2099-04-08"
    )
    await story.command("approveLeave", LEAVE, id=request["leaveRequest"]["id"])

    cancelled = await story.command("cancelLeave", LEAVE, id=request["leaveRequest"]["id"])

    assert cancelled["leaveRequest"]["status"] == "CANCELLED"
    (left,) = await story.rows("select sum(days) as days from leave_ledger_line")
    assert left["days"] == 0


async def test_a_day_lets_leave_begin_and_people_leave(begin: Any) -> None:
    story = await begin()
    cy, di = await hire(story, "Cy"), await hire(story, "Di")
    request = await story.command(
        "requestLeave", LEAVE, employeeId=cy["id"], startsOn="2026-04-07", endsOn="2026-04-08", kind="SICK"
    )
    await story.command("approveLeave", LEAVE, id=request["leaveRequest"]["id"])
    await story.command("terminateEmployee", "employee { id }", employeeId=di["id"], leftOn="2099-04-07")

    async def on(day: date) -> list[str]:
        async with story.hr.transaction(story.ada) as tx:
            await absence.turn_day(tx, day)
        rows = await story.rows("select status from employee where full_name in ('Cy', 'Di') order by full_name")
        return [row["status"] for row in rows]

    assert await on(date(2026, 4, 6)) == ["ACTIVE", "NOTICE"]
    assert await on(date(2026, 4, 7)) == ["ON_LEAVE", "NOTICE"]
    assert await on(date(2026, 4, 9)) == ["ACTIVE", "NOTICE"]
    assert await on(date(2099, 4, 8)) == ["ACTIVE", "LEFT"]


def test_a_month_is_earned_pro_rata_by_calendar_days() -> None:
    """HR-3"""
    policy = LeavePolicy(kind=LeaveRequestKind.ANNUAL, days_per_year=Decimal(24))

    def earned(hired: date, left: date | None = None, fte: str = "1") -> Decimal:
        return accrued(policy, Decimal(fte), hired, left, date(2026, 4, 1))

    assert earned(date(2025, 1, 1)) == 2
    assert earned(date(2025, 1, 1), fte="0.5") == 1
    assert earned(date(2026, 4, 16)) == 1
    assert earned(date(2025, 1, 1), left=date(2026, 4, 3)) == Decimal("0.2")
    assert earned(date(2026, 5, 1)) == 0


@given(st.decimals(min_value=0, max_value=60, places=6))
def test_rounding_up_gives_at_most_half_a_day(days: Decimal) -> None:
    """HR-3"""
    rounded = up_to_half(days)

    assert 0 <= rounded - days < Decimal("0.5")
    assert rounded % Decimal("0.5") == 0
