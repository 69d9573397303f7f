"""What identity tells gateways of access that ends before its token does (threat 18)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.wire.principal import Principal
from subgraphs.identity.tests.conftest import PASSWORD, Company, Desk
from subgraphs.identity.tests.test_roles import user_id
from subgraphs.identity.tests.test_sign_in import role_id

pytestmark = pytest.mark.anyio


async def told(desk: Desk, company: Company) -> list[tuple[str, bool]]:
    """Return what was published of a company: of whom, and whether for good; identity answers the same when asked."""
    events = [event["data"] for event in await desk.running.outgoing(company.id, "access.revoked")]
    answer = await desk.send("POST", "/auth/revocations", {})
    kept = [one for one in answer.body["revocations"] if str(one["tenant_id"]) == str(company.id)]
    assert {(str(one["subject_id"]), one["is_final"]) for one in kept} == {
        (event["subjectId"], event["isFinal"]) for event in events
    }
    return [(event["subjectId"], event["isFinal"]) for event in events]


async def joined_another(desk: Desk, company: Company) -> tuple[Company, Principal, dict[str, Any]]:
    """Let a member join a second company, and return that, its owner, and the session that is there now."""
    other = await desk.company()
    owner = await desk.principal(other)
    viewer = await role_id(desk, other, "Viewer")
    await desk.running.command(owner, "inviteUser", "userAccount { id }", email=company.email("member"), roleId=viewer)
    letter = await desk.letter(company.email("member"))
    return other, owner, (await desk.post("/auth/invitation", token=letter, password=PASSWORD)).body


async def test_whatever_ends_a_session_revokes_its_access_token(desk: Desk, company: Company) -> None:
    by_owner, by_logout, by_reuse, by_reset = [await desk.signed_in(company, "member") for _ in range(4)]
    sids = [desk.claims(one)["sid"] for one in (by_owner, by_logout, by_reuse, by_reset)]

    member = await desk.read(by_owner)
    await desk.running.command(member, "endSession", "session { id }", sessionId=sids[0])
    await desk.post("/auth/logout", refreshToken=by_logout["refreshToken"])
    for _ in range(2):
        await desk.post("/auth/refresh", refreshToken=by_reuse["refreshToken"])
    assert [one for one, _ in await told(desk, company)] == sids[:3]
    await desk.post("/auth/reset", email=company.email("member"))
    letter = await desk.letter(company.email("member"))
    await desk.post("/auth/reset/confirm", token=letter, password=PASSWORD)

    assert set(await told(desk, company)) == {(sid, True) for sid in sids}


async def test_a_deactivated_persons_sessions_are_revoked_here_and_not_elsewhere(desk: Desk, company: Company) -> None:
    """IDN-9"""
    sessions = [desk.claims(await desk.signed_in(company, "member"))["sid"] for _ in range(2)]
    owner = await desk.principal(company)

    member = await user_id(desk, company, "member")
    await desk.running.command(owner, "deactivateUser", "userAccount { id }", userId=member)

    assert sorted(await told(desk, company)) == [(sid, True) for sid in sorted(sessions)]


async def test_a_session_that_goes_on_elsewhere_has_no_token_left_where_it_was(desk: Desk, company: Company) -> None:
    """Else whatever ends it there, a logout or a new password, would leave the token of here good for ten minutes."""
    other, _, joined = await joined_another(desk, company)
    sid = desk.claims(joined)["sid"]

    switched = (await desk.post("/auth/switch", refreshToken=joined["refreshToken"], tenant=company.slug)).body

    assert await told(desk, other) == [(sid, False)], "it may come back"
    assert await told(desk, company) == []
    (outdated,) = (await desk.running.outgoing(other.id, "access.revoked"))[-1:]
    back = (await desk.post("/auth/switch", refreshToken=switched["refreshToken"], tenant=other.slug)).body
    at = datetime.fromisoformat(outdated["data"]["at"]).timestamp()
    assert desk.claims(joined)["iat"] < at < desk.claims(back)["iat"]
    await desk.post("/auth/logout", refreshToken=back["refreshToken"])
    assert await told(desk, other) == [(sid, False), (sid, True)]
    assert await told(desk, company) == [(sid, False), (sid, True)]


async def test_a_session_that_is_ended_where_it_was_does_not_come_back(desk: Desk, company: Company) -> None:
    """It goes on in the other tenant: that one's administrators have not ended it."""
    other, boss, joined = await joined_another(desk, company)
    here = (await desk.post("/auth/switch", refreshToken=joined["refreshToken"], tenant=company.slug)).body

    ended = await desk.running.command(
        boss, "endSession", "session { endedAt } userErrors { code }", sessionId=desk.claims(joined)["sid"]
    )
    back = await desk.post("/auth/switch", refreshToken=here["refreshToken"], tenant=other.slug)

    assert ended["session"]["endedAt"]
    assert back.status == 401
    assert (await desk.post("/auth/refresh", refreshToken=here["refreshToken"])).status == 200


async def test_what_was_asked_before_a_session_left_is_still_its_own(desk: Desk, company: Company) -> None:
    """A command that waits is executed though its sender works for another company by now; not once they signed out."""
    _, _, joined = await joined_another(desk, company)
    asked = await desk.read(joined)
    here = (await desk.post("/auth/switch", refreshToken=joined["refreshToken"], tenant=company.slug)).body

    assert (await desk.send("POST", "/auth/standing", {}, who=asked)).status == 200
    await desk.post("/auth/logout", refreshToken=here["refreshToken"])
    assert (await desk.send("POST", "/auth/standing", {}, who=asked)).status == 403


async def test_a_role_that_is_taken_away_outdates_the_tokens_that_name_it(desk: Desk, company: Company) -> None:
    owner = await desk.principal(company)
    before = await desk.signed_in(company, "member")
    member = await user_id(desk, company, "member")
    roles = {"userId": member, "roleId": await role_id(desk, company, "Member")}

    await desk.running.command(owner, "revokeRole", "tenantMembership { id }", **roles)
    after = await desk.post("/auth/refresh", refreshToken=before["refreshToken"])

    assert await told(desk, company) == [(member, False)]
    (event,) = await desk.running.outgoing(company.id, "access.revoked")
    assert desk.claims(before)["iat"] < _seconds(event["data"]["at"]) <= desk.claims(after.body)["iat"]


async def test_a_suspended_tenant_and_a_revoked_key_are_told(desk: Desk) -> None:
    operator = await desk.company(is_operator=True)
    child = await desk.company(operator=operator.id)
    boss, owner = await desk.principal(operator), await desk.principal(child)
    arguments: dict[str, Any] = {"label": "Till", "roleId": await role_id(desk, child, "Viewer")}
    arguments["expiresAt"] = (desk.running.database.clock.now() + timedelta(days=9)).isoformat()
    issued = await desk.running.command(owner, "issueApiKey", "serviceCredential { id }", **arguments)
    key = issued["serviceCredential"]["id"]

    await desk.running.command(owner, "revokeApiKey", "serviceCredential { id }", id=key)
    await desk.running.command(boss, "suspendTenant", "tenant { id }", tenantId=str(child.id), reason="test")

    assert await told(desk, child) == [(key, True), (str(child.id), False)]


def _seconds(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()
