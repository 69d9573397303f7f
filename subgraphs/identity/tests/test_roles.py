"""Members and roles: who may give what, the last owner, seats, leaving one tenant of two (IDN-3, IDN-9)."""

from datetime import timedelta

import msgspec
import pytest

from shared.clock import new_id
from shared.wire.principal import Principal
from subgraphs.identity.models.roles import AccessRole, AccessRoleScopeRule, UnknownPermission, check_patterns
from subgraphs.identity.tests.conftest import PASSWORD, Company, Desk
from subgraphs.identity.tests.test_sign_in import role_id

pytestmark = pytest.mark.anyio


async def user_id(desk: Desk, company: Company, label: str) -> str:
    (row,) = await desk.running.rows(company.id, "select id from user_account where email = $1", company.email(label))
    return str(row["id"])


async def test_a_role_granted_is_in_the_next_token_and_on_the_stream(desk: Desk, company: Company) -> None:
    owner = await desk.principal(company)
    member, sales = await user_id(desk, company, "member"), await role_id(desk, company, "Sales")

    granted = await desk.running.command(
        owner, "grantRole", "tenantMembership { role { name } furtherRoleIds }", userId=member, roleId=sales
    )

    assert granted["userErrors"] == []
    assert granted["tenantMembership"] == {"role": {"name": "Member"}, "furtherRoleIds": [sales]}
    claims = desk.claims(await desk.signed_in(company, "member"))
    assert sorted(claims["roles"]) == ["Member", "Sales"]
    assert "crm.deal.write@own" in claims["perms"]
    (event,) = [one for one in await desk.running.outgoing(company.id, "role.granted") if one["actorid"]]
    assert event["data"] == {
        "userId": member,
        "roleId": sales,
        "roleName": "Sales",
        "grantedById": str(owner.user),
        "scopeRule": "TENANT",
    }


async def test_nobody_grants_what_they_have_not_themselves(desk: Desk) -> None:
    """IDN-3"""
    company = await desk.company(("hr", "HR"), ("manager", "Manager"))
    hr = await desk.principal(company, "hr")
    manager_role = await role_id(desk, company, "Manager")

    refused = await desk.running.command(
        hr, "inviteUser", "userAccount { id }", email="new@x.example", roleId=manager_role
    )

    assert [error["code"] for error in refused["userErrors"]] == ["PRIVILEGE_ESCALATION"]


async def test_an_administrator_makes_no_owner(desk: Desk) -> None:
    """IDN-3"""
    company = await desk.company(("admin", "Admin"))
    admin = await desk.principal(company, "admin")

    refused = await desk.running.command(
        admin,
        "grantRole",
        "tenantMembership { id }",
        userId=str(admin.user),
        roleId=await role_id(desk, company, "Owner"),
    )

    assert [error["code"] for error in refused["userErrors"]] == ["PRIVILEGE_ESCALATION"]


async def test_who_can_not_take_a_role_can_not_end_the_time_of_who_has_it(desk: Desk) -> None:
    """IDN-3: else an administrator would unmake owners, and whoever may deactivate people their administrators."""
    company = await desk.company(("admin", "Admin"), ("second", "Owner"), ("hr", "HR"), ("member", "Member"))
    admin, hr = await desk.principal(company, "admin"), await desk.principal(company, "hr")
    ends_people = msgspec.structs.replace(hr, permissions=(*hr.permissions, "identity.user.deactivate"))

    async def codes(who: Principal, label: str) -> list[str]:
        target = await user_id(desk, company, label)
        answer = await desk.running.command(who, "deactivateUser", "userAccount { id }", userId=target)
        return [error["code"] for error in answer["userErrors"]]

    assert await codes(admin, "second") == ["PRIVILEGE_ESCALATION"]
    assert await codes(ends_people, "admin") == ["PRIVILEGE_ESCALATION"]
    assert await codes(admin, "member") == []
    assert await codes(await desk.principal(company), "second") == []


async def test_a_program_gives_nothing_of_modules_that_its_key_is_not_for(desk: Desk, company: Company) -> None:
    """IDN-3, IDN-6: a key with all permissions, but for identity alone, makes none that reaches further."""
    owner = await desk.principal(company)
    bound = msgspec.structs.replace(owner, user=new_id(desk.running.database.clock.now()), modules=("identity",))
    arguments = {"name": "Reader", "permissions": ["identity.user.read"]}
    made = await desk.running.command(owner, "defineRole", "accessRole { id }", **arguments)
    within, beyond = made["accessRole"]["id"], await role_id(desk, company, "Viewer")
    in_a_month = (desk.running.database.clock.now() + timedelta(days=30)).isoformat()

    async def codes(role: str) -> list[str]:
        arguments = {"label": "k", "roleId": role, "expiresAt": in_a_month}
        answer = await desk.running.command(bound, "issueApiKey", "serviceCredential { id }", **arguments)
        return [error["code"] for error in answer["userErrors"]]

    assert await codes(beyond) == ["PRIVILEGE_ESCALATION"]
    assert await codes(within) == []


async def test_who_may_grant_for_some_people_grants_to_no_others(desk: Desk, company: Company) -> None:
    """contracts.md, row scopes: also where a command looks a row up by itself"""
    member = await desk.principal(company, "member")
    some = msgspec.structs.replace(member, permissions=("*.read", "identity.role.grant@own", *member.permissions))
    query = "mutation($i: GrantRoleInput!) { grantRole(input: $i) { tenantMembership { id } } }"
    role = await role_id(desk, company, "Member")

    async def codes(label: str) -> list[str]:
        answer = await desk.running.execute(
            some, query, i={"userId": await user_id(desk, company, label), "roleId": role}
        )
        return [error["extensions"]["code"] for error in answer.errors]

    assert await codes("viewer") == ["FORBIDDEN"]
    assert await codes("member") == []
    assert [
        row["further_role_ids"] for row in await desk.running.rows(company.id, "select * from tenant_membership")
    ] == ["[]"] * 3


async def test_members_can_not_ask_by_a_filter_what_they_can_not_see(desk: Desk, company: Company) -> None:
    """Whether somebody can sign in is private; a filter, and its count, would tell."""
    member, owner = await desk.principal(company, "member"), await desk.principal(company)
    query = "query($f: UserAccountFilter) { users(filter: $f) { totalCount } }"
    asked = {"status": {"eq": "ACTIVE"}}

    for filter_ in (asked, {"not": asked}, {"or": [{"displayName": {"eq": "x"}}, {"and": [asked]}]}):
        refused = await desk.running.execute(member, query, f=filter_)
        assert [error["extensions"]["code"] for error in refused.errors] == ["FORBIDDEN"]
        assert (await desk.running.execute(owner, query, f=filter_)).errors == []
    answer = await desk.running.execute(member, query, f={"displayName": {"ne": "x"}})
    assert answer.data["users"]["totalCount"] == 3


async def test_the_last_owner_stays(desk: Desk, company: Company) -> None:
    """IDN-3"""
    owner = await desk.principal(company)
    owner_role = await role_id(desk, company, "Owner")

    left = await desk.running.command(owner, "deactivateUser", "userAccount { id }", userId=str(owner.user))
    revoked = await desk.running.command(
        owner, "revokeRole", "tenantMembership { id }", userId=str(owner.user), roleId=owner_role
    )

    for refused in (left, revoked):
        assert [error["code"] for error in refused["userErrors"]] == ["LAST_OWNER"]


async def test_an_owner_goes_once_there_is_another(desk: Desk, company: Company) -> None:
    """IDN-3"""
    owner = await desk.principal(company)
    member, owner_role = await user_id(desk, company, "member"), await role_id(desk, company, "Owner")
    await desk.running.command(owner, "grantRole", "tenantMembership { id }", userId=member, roleId=owner_role)

    left = await desk.running.command(owner, "deactivateUser", "userAccount { id }", userId=str(owner.user))

    assert left["userErrors"] == []
    assert (await desk.post("/auth/login", email=company.email(), password=PASSWORD)).status == 401
    second = await desk.principal(company, "member")
    assert second.permissions == ("*",)


async def test_a_deactivated_person_keeps_their_other_tenant(desk: Desk, company: Company) -> None:
    """IDN-9"""
    other = await desk.company()
    boss = await desk.principal(other)
    viewer = await role_id(desk, other, "Viewer")
    await desk.running.command(boss, "inviteUser", "userAccount { id }", email=company.email("member"), roleId=viewer)
    letter = await desk.letter(company.email("member"))
    joined = await desk.post("/auth/invitation", token=letter, password=PASSWORD)
    member = await user_id(desk, company, "member")

    gone = await desk.running.command(boss, "deactivateUser", "userAccount { status }", userId=member)

    assert gone["userAccount"] == {"status": "DEACTIVATED"}
    assert (await desk.post("/auth/refresh", refreshToken=joined.body["refreshToken"])).status == 401
    answer = await desk.post("/auth/login", email=company.email("member"), password=PASSWORD)
    assert [one["slug"] for one in answer.body["tenants"]] == [company.slug]
    (event,) = await desk.running.outgoing(other.id, "user.deactivated")
    assert event["data"] == {"userId": member, "email": company.email("member")}
    assert await desk.running.outgoing(company.id, "user.deactivated") == []


async def test_seats_are_counted(desk: Desk) -> None:
    company = await desk.company(("member", "Member"), seats=2)
    owner = await desk.principal(company)

    full = await desk.running.command(
        owner,
        "inviteUser",
        "userAccount { id }",
        email="third@x.example",
        roleId=await role_id(desk, company, "Member"),
    )

    assert [error["code"] for error in full["userErrors"]] == ["SEAT_LIMIT"]


async def test_a_member_is_not_invited_twice(desk: Desk, company: Company) -> None:
    owner = await desk.principal(company)

    twice = await desk.running.command(
        owner,
        "inviteUser",
        "userAccount { id }",
        email=company.email("member").title(),
        roleId=await role_id(desk, company, "Viewer"),
    )

    assert [error["code"] for error in twice["userErrors"]] == ["ALREADY_MEMBER"]


async def test_an_invitation_is_accepted_once_with_a_strong_password(desk: Desk, company: Company) -> None:
    """IDN-4"""
    from shared.errors import InvalidInput

    owner, email = await desk.principal(company), company.email("new")
    member_role = await role_id(desk, company, "Member")
    invited = await desk.running.command(
        owner, "inviteUser", "userAccount { id status }", email=email, roleId=member_role, displayName="Nia New"
    )
    token = await desk.letter(email)
    for weak in ("short", "password12345", "aaaaaaaaaaaaaaaa", email):
        with pytest.raises(InvalidInput, match="at least 12"):
            await desk.post("/auth/invitation", token=token, password=weak)

    joined = await desk.post("/auth/invitation", token=token, password=PASSWORD)

    assert invited["userAccount"]["status"] == "INVITED"
    assert joined.status == 200
    assert (await desk.post("/auth/invitation", token=token, password=PASSWORD)).status == 401
    (event,) = [
        one for one in await desk.running.outgoing(company.id, "user.activated") if one["data"]["email"] == email
    ]
    assert event["data"]["displayName"] == "Nia New"


async def test_the_invitations_secret_is_neither_in_the_answer_nor_on_the_stream(desk: Desk, company: Company) -> None:
    owner, email = await desk.principal(company), company.email("new")

    answer = await desk.running.command(
        owner, "inviteUser", "userAccount { id email }", email=email, roleId=await role_id(desk, company, "Viewer")
    )

    token = await desk.letter(email)
    assert token not in str(answer)
    assert token not in str(await desk.running.outgoing(company.id))


async def test_an_invitation_does_not_open_an_account_that_has_a_password(desk: Desk, company: Company) -> None:
    other = await desk.company()
    boss = await desk.principal(other)
    viewer = await role_id(desk, other, "Viewer")
    await desk.running.command(boss, "inviteUser", "userAccount { id }", email=company.email("viewer"), roleId=viewer)
    token = await desk.letter(company.email("viewer"))

    assert (await desk.post("/auth/invitation", token=token, password="not the one they chose")).status == 401

    assert (await desk.post("/auth/login", email=company.email("viewer"), password=PASSWORD)).status == 200
    assert (await desk.post("/auth/invitation", token=token, password=PASSWORD)).status == 200


async def test_a_role_of_ones_own_reaches_its_row_scope(desk: Desk, company: Company) -> None:
    owner = await desk.principal(company)
    defined = await desk.running.command(
        owner,
        "defineRole",
        "accessRole { id permissions builtIn }",
        name="Intern",
        permissions=["crm.deal.read", "crm.customer.read@team"],
        scopeRule="OWN",
    )
    member = await user_id(desk, company, "member")
    role = defined["accessRole"]["id"]

    await desk.running.command(owner, "grantRole", "tenantMembership { id }", userId=member, roleId=role)

    perms = desk.claims(await desk.signed_in(company, "member"))["perms"]
    assert {"crm.deal.read@own", "crm.customer.read@team"} <= set(perms)


async def test_a_permission_must_be_one(desk: Desk, company: Company) -> None:
    owner = await desk.principal(company)

    refused = await desk.running.command(
        owner, "defineRole", "accessRole { id }", name="Odd", permissions=["crm.*.read"]
    )

    assert [error["code"] for error in refused["userErrors"]] == ["UNKNOWN_PERMISSION"]


@pytest.mark.parametrize(
    "pattern", ["", "crm.deal.read@mine", "crm..read", "CRM.deal.read", "*.read.*", "crm.deal read"]
)
def test_what_is_no_permission_pattern(pattern: str) -> None:
    with pytest.raises(UnknownPermission):
        check_patterns([pattern])


def test_a_wider_scope_is_not_covered_by_a_narrower_one() -> None:
    """IDN-3"""
    from shared.wire.principal import Principal
    from subgraphs.identity.models.roles import PrivilegeEscalation

    role = AccessRole(name="Deals", permissions="crm.deal.*", scope_rule=AccessRoleScopeRule.TEAM)

    role.must_be_granted_by(Principal(tenant=None, permissions=("crm.*",)))
    role.must_be_granted_by(Principal(tenant=None, permissions=("crm.deal.*@team",)))
    for lacking in ((), ("crm.deal.*@own",), ("crm.deal.read",), ("crmx.*",)):
        with pytest.raises(PrivilegeEscalation):
            role.must_be_granted_by(Principal(tenant=None, permissions=lacking))


@pytest.mark.parametrize(
    ("permission", "seen"),
    [
        ("identity.user.read@own", 1),
        ("identity.user.read@team", 2),
        ("identity.user.read", 3),
        ("identity.tenant.read", 1),
    ],
)
async def test_an_address_is_shown_as_far_as_its_permission_reaches(
    desk: Desk, company: Company, permission: str, seen: int
) -> None:
    member, viewer = await desk.principal(company, "member"), await desk.principal(company, "viewer")
    assert viewer.user
    asking = msgspec.structs.replace(
        member, permissions=("identity.user_account.read", permission), team=(viewer.user,)
    )

    answer = await desk.running.execute(asking, "{ users { nodes { id email } } }")

    assert answer.errors == []
    assert sum(one["email"] is not None for one in answer.data["users"]["nodes"]) == seen
