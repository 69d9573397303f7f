"""HR's people as identity knows them: who a user is, whom they lead, when they leave (S11)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.clock import new_id
from subgraphs.identity.tests.conftest import PASSWORD, Company, Desk
from tests.modules import until

pytestmark = pytest.mark.anyio
TODAY = datetime.now(UTC).date()  # noqa: TID251 outside the platform


def employee() -> UUID:
    return new_id(datetime.now(UTC))  # noqa: TID251 outside the platform


async def hire(desk: Desk, company: Company, who: UUID, email: str | None, manager: UUID | None = None) -> None:
    data = {"employeeId": str(who), "fullName": "Chen Li", "workEmail": email, "managerId": manager and str(manager)}
    await desk.running.publish(company.id, "employee.hired", "Employee", who, 1, data)

    async def known() -> bool:
        return bool(await desk.running.rows(company.id, "select 1 from employee_link where employee_id = $1", who))

    await until(known)


async def leave(desk: Desk, company: Company, who: UUID, on: date | None, number: int = 2) -> None:
    data: dict[str, Any] = {"employeeId": str(who), "leftOn": on and on.isoformat()}
    await desk.running.publish(company.id, "employee.terminated", "Employee", who, number, data)

    async def noted() -> bool:
        rows = await desk.running.rows(company.id, "select left_on from employee_link where employee_id = $1", who)
        return rows == [{"left_on": on}]

    await until(noted)


async def test_a_token_names_the_employee_and_everyone_they_lead(desk: Desk, company: Company) -> None:
    lead, report, below, other = (employee() for _ in range(4))
    await hire(desk, company, lead, company.email("member").upper())
    await hire(desk, company, report, "report@x.example", lead)
    await hire(desk, company, below, "below@x.example", report)
    await hire(desk, company, other, "other@x.example")

    principal = await desk.principal(company, "member")

    assert principal.employee == lead
    assert set(principal.team) == {report, below}


async def test_a_team_is_named_by_its_accounts_too(desk: Desk, company: Company) -> None:
    """A ticket, a customer and a task belong to an account: TEAM reaches those of whom one leads, too"""
    lead, report, other = (employee() for _ in range(3))
    await hire(desk, company, lead, company.email("member"))
    await hire(desk, company, report, company.email("owner").upper(), lead)
    await hire(desk, company, other, "other@x.example")
    owner = await desk.principal(company, "owner")

    leader = await desk.principal(company, "member")

    assert set(leader.team) == {report, owner.user}


async def test_a_team_follows_a_transfer(desk: Desk, company: Company) -> None:
    lead, report = employee(), employee()
    await hire(desk, company, lead, company.email("member"))
    await hire(desk, company, report, "report@x.example", lead)

    data = {"employeeId": str(report), "managerId": None}
    await desk.running.publish(company.id, "employee.transferred", "Employee", report, 2, data)

    async def moved() -> bool:
        rows = await desk.running.rows(
            company.id, "select manager_id from employee_link where employee_id = $1", report
        )
        return rows == [{"manager_id": None}]

    await until(moved)
    assert (await desk.principal(company, "member")).team == ()


async def test_two_who_manage_each_other_lead_no_circle(desk: Desk, company: Company) -> None:
    one, two = employee(), employee()
    await hire(desk, company, one, company.email("member"), two)
    await hire(desk, company, two, "two@x.example", one)

    assert (await desk.principal(company, "member")).team == (two,)


async def test_who_left_yesterday_is_out_at_once(desk: Desk, company: Company) -> None:
    who = employee()
    await hire(desk, company, who, company.email("member"))
    session = await desk.signed_in(company, "member")

    await leave(desk, company, who, TODAY - timedelta(days=2))

    assert (await desk.post("/auth/refresh", refreshToken=session["refreshToken"])).status == 401
    (event,) = await desk.running.outgoing(company.id, "user.deactivated")
    assert event["data"]["email"] == company.email("member")


async def test_who_leaves_later_works_until_then_and_a_leaving_can_be_taken_back(desk: Desk, company: Company) -> None:
    """HR-15"""
    who = employee()
    await hire(desk, company, who, company.email("member"))

    await leave(desk, company, who, TODAY + timedelta(days=30))
    assert (await desk.post("/auth/login", email=company.email("member"), password=PASSWORD)).status == 200

    await leave(desk, company, who, None, number=3)
    assert await desk.running.outgoing(company.id, "user.deactivated") == []


async def test_a_new_employee_is_invited_where_hr_and_access_are_linked(desk: Desk, company: Company) -> None:
    """S11"""
    linked = await desk.running.command(await desk.principal(company), "linkHrAndAccess", "tenant { id }", enabled=True)
    assert linked["userErrors"] == []

    await hire(desk, company, employee(), company.email("chen"))

    joined = await desk.post("/auth/invitation", token=await desk.letter(company.email("chen")), password=PASSWORD)
    assert desk.claims(joined.body)["roles"] == ["Member"]


async def test_without_the_link_nobody_is_invited(desk: Desk, company: Company) -> None:
    """S11"""
    await hire(desk, company, employee(), company.email("chen"))

    assert await desk.running.outgoing(company.id, "user.invited") == []


async def test_a_threat_locks_the_account_until_an_administrator_lets_it_in_again(desk: Desk, company: Company) -> None:
    session = await desk.signed_in(company, "member")
    member = desk.claims(session)["sub"]

    await desk.running.publish(
        company.id, "security.threat.detected", "ThreatFinding", employee(), 1, {"userId": member}
    )

    async def locked() -> bool:
        rows = await desk.running.rows(company.id, "select status from user_account where id = $1", UUID(member))
        return rows == [{"status": "LOCKED"}]

    await until(locked)
    assert (await desk.post("/auth/refresh", refreshToken=session["refreshToken"])).status == 401
    owner = await desk.principal(company)
    again = await desk.running.command(owner, "reactivateUser", "userAccount { status }", userId=member)
    assert again["userAccount"] == {"status": "ACTIVE"}
    assert (await desk.post("/auth/login", email=company.email("member"), password=PASSWORD)).status == 200
