"""Roles of a tenant's own: changed for all who hold them at once, and retired (IDN-3, threat 27)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.clock import SystemClock
from subgraphs.identity.tests.conftest import PASSWORD, Company, Desk
from subgraphs.identity.tests.test_roles import user_id
from subgraphs.identity.tests.test_sign_in import role_id

pytestmark = pytest.mark.anyio
ROLE = "accessRole { id name permissions scopeRule active }"


async def defined(desk: Desk, company: Company, *permissions: str, name: str = "Intern") -> str:
    """Define a role and return its id."""
    owner = await desk.principal(company)
    made = await desk.running.command(owner, "defineRole", ROLE, name=name, permissions=list(permissions))
    assert made["userErrors"] == []
    return made["accessRole"]["id"]


async def held(desk: Desk, company: Company, role: str, label: str = "member") -> str:
    """Give a member a role and return who it is."""
    owner, member = await desk.principal(company), await user_id(desk, company, label)
    await desk.running.command(owner, "grantRole", "tenantMembership { id }", userId=member, roleId=role)
    return member


async def key(desk: Desk, company: Company, role: str) -> dict[str, Any]:
    """Issue a key with a role."""
    until = (SystemClock().now() + timedelta(days=1)).isoformat()
    owner = await desk.principal(company)
    made = await desk.running.command(
        owner, "issueApiKey", "serviceCredential { id secret }", label="x", roleId=role, expiresAt=until
    )
    return made["serviceCredential"]


async def outdated(desk: Desk, company: Company) -> dict[str, datetime]:
    """Return whose access tokens were outdated."""
    events = await desk.running.outgoing(company.id, "access.revoked")
    return {one["data"]["subjectId"]: one["data"]["at"] for one in events if not one["data"]["isFinal"]}


def codes(answer: dict[str, Any]) -> list[str]:
    return [error["code"] for error in answer["userErrors"]]


async def test_a_changed_role_counts_for_all_who_hold_it_and_their_tokens_end(desk: Desk, company: Company) -> None:
    role = await defined(desk, company, "crm.deal.read")
    member, program = await held(desk, company, role), await key(desk, company, role)

    changed = await desk.running.command(
        await desk.principal(company), "changeRole", ROLE, roleId=role, permissions=["crm.customer.*"], scopeRule="OWN"
    )

    assert codes(changed) == []
    assert (changed["accessRole"]["name"], changed["accessRole"]["permissions"]) == ("Intern", "crm.customer.*")
    assert set(await outdated(desk, company)) == {member, program["id"]}
    perms = desk.claims(await desk.signed_in(company, "member"))["perms"]
    assert "crm.customer.*@own" in perms
    answer = await desk.post("/auth/key", key=program["secret"])
    assert desk.claims(answer.body)["perms"] == ["crm.customer.*@own"]
    (event,) = await desk.running.outgoing(company.id, "role.changed")
    assert event["data"] == {
        "roleId": role,
        "roleName": "Intern",
        "permissions": "crm.customer.*",
        "scopeRule": "OWN",
    }


async def test_nobody_puts_into_a_role_what_they_have_not_themselves(desk: Desk) -> None:
    """IDN-3"""
    company = await desk.company(("clerk", "Viewer"))
    clerk_role = await defined(desk, company, "identity.role.define", "crm.deal.read", name="Role clerk")
    role = await defined(desk, company, "crm.deal.read")
    above = await defined(desk, company, "crm.*", name="Above")
    await held(desk, company, clerk_role, "clerk")
    clerk = await desk.principal(company, "clerk")

    wider = await desk.running.command(clerk, "changeRole", ROLE, roleId=role, permissions=["crm.*"])
    higher = await desk.running.command(clerk, "changeRole", ROLE, roleId=above, permissions=["crm.deal.read"])
    retired = await desk.running.command(clerk, "retireRole", ROLE, roleId=role, successorId=above)

    assert [codes(one) for one in (wider, higher, retired)] == [["PRIVILEGE_ESCALATION"]] * 3
    assert await desk.running.outgoing(company.id, "role.changed") == []


async def test_roles_that_come_with_the_platform_stay(desk: Desk, company: Company) -> None:
    owner, viewer = await desk.principal(company), await role_id(desk, company, "Viewer")

    changed = await desk.running.command(owner, "changeRole", ROLE, roleId=viewer, permissions=["*"])
    retired = await desk.running.command(owner, "retireRole", ROLE, roleId=viewer)

    assert (codes(changed), codes(retired)) == (["ILLEGAL_STATE"], ["ILLEGAL_STATE"])


async def test_a_role_that_somebody_holds_is_not_retired_without_a_successor(desk: Desk, company: Company) -> None:
    by_person, by_key = await defined(desk, company, "crm.deal.read"), await defined(desk, company, "*", name="Robot")
    await held(desk, company, by_person)
    await key(desk, company, by_key)
    owner = await desk.principal(company)

    refused = [await desk.running.command(owner, "retireRole", ROLE, roleId=one) for one in (by_person, by_key)]

    assert [codes(one) for one in refused] == [["ROLE_IN_USE"]] * 2


async def test_who_held_a_retired_role_has_its_successor(desk: Desk, company: Company) -> None:
    role, successor = await defined(desk, company, "crm.deal.read"), await role_id(desk, company, "Sales")
    member, program = await held(desk, company, role), await key(desk, company, role)
    owner = await desk.principal(company)

    retired = await desk.running.command(owner, "retireRole", ROLE, roleId=role, successorId=successor)

    assert codes(retired) == []
    assert retired["accessRole"]["active"] is False
    assert set(await outdated(desk, company)) == {member, program["id"]}
    assert sorted(desk.claims(await desk.signed_in(company, "member"))["roles"]) == ["Member", "Sales"]
    assert desk.claims((await desk.post("/auth/key", key=program["secret"])).body)["roles"] == ["Sales"]
    (event,) = await desk.running.outgoing(company.id, "role.retired")
    assert event["data"] == {"roleId": role, "roleName": "Intern", "successorId": successor}
    again = await desk.running.command(owner, "retireRole", ROLE, roleId=role)
    granted = await desk.running.command(owner, "grantRole", "tenantMembership { id }", userId=member, roleId=role)
    assert (codes(again), codes(granted)) == (["ILLEGAL_STATE"], ["ILLEGAL_STATE"])


async def test_a_role_that_nobody_holds_is_retired(desk: Desk, company: Company) -> None:
    role = await defined(desk, company, "crm.deal.read")
    owner = await desk.principal(company)

    itself = await desk.running.command(owner, "retireRole", ROLE, roleId=role, successorId=role)
    retired = await desk.running.command(owner, "retireRole", ROLE, roleId=role)

    assert (codes(itself), codes(retired)) == (["VALIDATION"], [])


async def test_a_role_that_the_provider_gives_is_not_retired(desk: Desk, company: Company) -> None:
    role, owner = await defined(desk, company, "crm.deal.read"), await desk.principal(company)
    provider = {"issuer": "https://id.example", "clientId": "mewayz", "allowedDomains": ["lumen.example"]}
    await desk.running.command(owner, "setIdentityProvider", "identityProvider { id }", **provider, defaultRoleId=role)

    refused = await desk.running.command(
        owner, "retireRole", ROLE, roleId=role, successorId=await role_id(desk, company, "Viewer")
    )

    assert codes(refused) == ["ROLE_IN_USE"]


async def test_a_session_goes_on_with_what_the_role_allows_now(desk: Desk, company: Company) -> None:
    role = await defined(desk, company, "crm.deal.read")
    await held(desk, company, role)
    session = await desk.post("/auth/login", email=company.email("member"), password=PASSWORD)
    owner = await desk.principal(company)

    await desk.running.command(owner, "changeRole", ROLE, roleId=role, permissions=["hr.payroll.read"])

    renewed = await desk.post("/auth/refresh", refreshToken=session.body["refreshToken"])
    assert "hr.payroll.read" in desk.claims(renewed.body)["perms"]
