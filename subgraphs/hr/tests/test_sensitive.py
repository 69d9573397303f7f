"""Why somebody is away, or left: shown to whom it concerns, and whoever reads it is told to the audit log."""

from typing import Any
from uuid import UUID

import pytest

from tests.modules import until

pytestmark = pytest.mark.anyio
_AWAY = '{ absences(startsOn: "2027-03-01", endsOn: "2027-03-31") { id employeeId startsOn kind reason balanceAfter } }'


async def _on_leave(story: Any) -> str:
    asked = {"startsOn": "2027-03-10", "endsOn": "2027-03-12", "kind": "SICK", "employeeId": str(story.bo)}
    leave = await story.command("requestLeave", "leaveRequest { id }", **asked)
    approved = await story.command("approveLeave", "leaveRequest { id status }", id=leave["leaveRequest"]["id"])
    assert approved["leaveRequest"]["status"] == "APPROVED"
    return leave["leaveRequest"]["id"]


async def test_who_may_see_people_sees_that_someone_is_away_and_not_why(begin: Any) -> None:
    story = await begin()
    leave = await _on_leave(story)
    colleague = await story.as_employee(story.plan, "hr.employee.read", "hr.leave_request.read@own")
    himself = await story.as_employee(story.bo, "hr.employee.read", "hr.leave_request.read@own")

    seen = await story.hr.execute(colleague, _AWAY)
    own = await story.hr.execute(himself, _AWAY)
    by_hr = await story.hr.execute(story.ada, _AWAY)

    bare = {"id": leave, "employeeId": str(story.bo), "startsOn": "2027-03-10"}
    assert seen.errors == []
    assert seen.data["absences"] == [{**bare, "kind": None, "reason": None, "balanceAfter": None}]
    assert own.data["absences"][0]["kind"] == by_hr.data["absences"][0]["kind"] == "SICK"


async def test_a_reader_of_sensitive_fields_is_told_and_one_of_the_own_is_not(begin: Any) -> None:
    """Issue 5, audit log: reads of sensitive fields too"""
    story = await begin()
    leave = await _on_leave(story)
    himself = await story.as_employee(story.bo, "hr.employee.read", "hr.leave_request.read@own")
    await story.hr.execute(himself, _AWAY)

    await story.hr.execute(story.ada, _AWAY)

    async def told() -> bool:
        return any(one["data"]["fields"] == ["kind"] for one in await story.told("hr.sensitive.read"))

    await until(told)
    facts = await story.told("hr.sensitive.read")
    assert {UUID(one["actorid"]) for one in facts} == {story.ada.user}
    assert {one["data"]["entity"] for one in facts} == {"LeaveRequest"}
    assert all(one["data"]["rowIds"] == [leave] for one in facts)


async def test_why_somebody_left_is_for_those_who_may_change_it(begin: Any) -> None:
    story = await begin()
    await story.command(
        "terminateEmployee", "employee { id }", employeeId=str(story.bo), leftOn="2027-01-31", reason="ill"
    )
    colleague = await story.as_employee(story.plan, "hr.employee.read")
    query = "{ employees { nodes { fullName leavingReason } } }"

    seen = await story.hr.execute(colleague, query)
    by_hr = await story.hr.execute(story.ada, query)

    assert seen.data["employees"]["nodes"] == [{"fullName": "Bo", "leavingReason": None}]
    assert by_hr.data["employees"]["nodes"] == [{"fullName": "Bo", "leavingReason": "ill"}]
