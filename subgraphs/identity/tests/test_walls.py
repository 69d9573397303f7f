"""What a tenant sees of another's people, what a member sees of a colleague, and what the database roles may read."""

import asyncpg
import pytest

from subgraphs.identity.tests.conftest import Company, Desk

pytestmark = pytest.mark.anyio
ABSENT = "01890000-0000-7000-8000-000000000000"


async def test_another_tenants_people_answer_like_absent_ones(desk: Desk, company: Company) -> None:
    stranger = await desk.principal(await desk.company())
    member = (await desk.running.rows(company.id, "select id from user_account limit 1"))[0]["id"]
    query = """query($id: ID!, $r: [_Any!]!) {
        user(id: $id) { displayName } _entities(representations: $r) { ... on UserAccount { displayName } }
    }"""

    answers = [
        await desk.running.execute(stranger, query, id=str(one), r=[{"__typename": "UserAccount", "id": str(one)}])
        for one in (member, ABSENT)
    ]

    assert answers[0] == answers[1]
    assert answers[0].data == {"user": None, "_entities": [None]}


async def test_members_see_each_others_names_and_no_more(desk: Desk, company: Company) -> None:
    viewer = await desk.principal(company, "viewer")
    query = "{ users { nodes { id displayName locale email status lastLoginAt } } me { email mfaEnabled } }"

    answer = await desk.running.execute(viewer, query)

    assert answer.errors == []
    rows = answer.data["users"]["nodes"]
    assert {row["displayName"] for row in rows} == {"Olga Owner", "Member", "Viewer"}
    assert [row["email"] for row in rows if row["email"]] == [company.email("viewer")]
    assert answer.data["me"] == {"email": company.email("viewer"), "mfaEnabled": False}


async def test_an_owner_sees_the_private_side_too(desk: Desk, company: Company) -> None:
    answer = await desk.running.execute(await desk.principal(company), "{ users { nodes { email } } }")

    assert len([row for row in answer.data["users"]["nodes"] if row["email"]]) == 3


async def test_everyone_sees_their_own_sessions_only(desk: Desk, company: Company) -> None:
    await desk.signed_in(company)
    viewer = await desk.principal(company, "viewer")

    answer = await desk.running.execute(viewer, "{ sessions { nodes { userId device ip } } }")

    assert answer.data["sessions"]["nodes"] == [{"userId": str(viewer.user), "device": "test", "ip": desk.peer}]


async def test_the_dashboard_is_the_callers_own(desk: Desk, company: Company) -> None:
    owner = await desk.principal(company)
    query = """query($r: [_Any!]!) {
        dashboard { id identity { activeUsers openInvitations withoutSecondFactor } }
        _entities(representations: $r) { ... on Dashboard { id } }
    }"""
    ids = (str(company.id), ABSENT, str((await desk.company()).id))

    answer = await desk.running.execute(owner, query, r=[{"__typename": "Dashboard", "id": one} for one in ids])

    card = {"activeUsers": 3, "openInvitations": 0, "withoutSecondFactor": 3}
    assert answer.data["dashboard"] == {"id": str(company.id), "identity": card}
    assert answer.data["_entities"] == [{"id": str(company.id)}, None, None]


@pytest.mark.parametrize(
    "statement",
    [
        "select * from sign_in.credential",
        "select * from sign_in.refresh_token",
        "select private from sign_in.signing_key",
        "select * from sign_in.letter",
        "select last_tenant_id from sign_in.login",
        "update sign_in.login set user_id = user_id",
        "delete from sign_in.one_time_token",
        "select * from sign_in.revocation",
    ],
)
async def test_the_app_role_reads_nothing_of_sign_in(desk: Desk, company: Company, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await desk.running.rows(company.id, statement)


async def test_the_app_role_finds_in_the_register_only_whom_it_names(desk: Desk, company: Company) -> None:
    """IDN-1"""
    assert await desk.running.rows(company.id, "select email from sign_in.login") == []

    named = "select l.email from set_config('app.email', $1, false), lateral (select email from sign_in.login) l"
    assert await desk.running.rows(company.id, named, company.email()) == [{"email": company.email()}]


async def test_the_app_role_finds_of_second_factors_only_the_one_whose_person_it_names(
    desk: Desk, company: Company
) -> None:
    """IDN-5"""
    member = await desk.principal(company, "member")
    await desk.running.command(member, "enableMfa", "userAccount { id }")
    named = """
        select f.user_id from set_config('app.user_id', $1, false), lateral (select user_id from sign_in.second_factor) f
    """

    assert await desk.running.rows(company.id, "select user_id from sign_in.second_factor") == []
    assert await desk.running.rows(company.id, named, str(member.user)) == [{"user_id": member.user}]
    assert await desk.running.rows(company.id, named, ABSENT) == []


async def test_the_sign_in_role_reads_no_business_row(desk: Desk) -> None:
    connection = await asyncpg.connect(desk.running.urls.extra_urls["identity_login"])
    try:
        for table in ("access_role", "service_credential", "session", "employee_link"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"select * from identity.{table}")  # noqa: S608
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select email from identity.user_account")
    finally:
        await connection.close()


async def test_every_table_is_behind_row_level_security(desk: Desk) -> None:
    unguarded = """
        select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('identity', 'sign_in') and c.relkind in ('r', 'p')
          and not (c.relrowsecurity and c.relforcerowsecurity)
    """
    connection = await asyncpg.connect(desk.running.urls.app_url)
    try:
        assert [row["name"] for row in await connection.fetch(unguarded)] == []
    finally:
        await connection.close()
