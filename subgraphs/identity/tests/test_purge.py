"""What is over goes: one-time tokens, letters, sessions and keys are no archive."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from shared.clock import SystemClock
from shared.database.transaction import Database
from shared.events.schedule import ScheduleMark
from shared.values import mark_of
from shared.wire.occasion import PLATFORM
from shared.wire.principal import system
from subgraphs.identity.sign_in.keys import key_ring
from subgraphs.identity.sign_in.purge import forget_sessions, forget_sign_ins
from subgraphs.identity.sign_in.store import Flow, open_store
from subgraphs.identity.tests.conftest import Company, Desk

pytestmark = pytest.mark.anyio
_KEPT = text("""
    select 'family' as kind from sign_in.refresh_family where user_id = :user
    union all select 'token' from sign_in.refresh_token join sign_in.refresh_family f on f.id = family_id where f.user_id = :user
    union all select 'once' from sign_in.one_time_token where user_id = :user
    union all select 'letter' from sign_in.letter where email = :email
    union all select 'flow' from sign_in.oidc_flow where tenant_id = :tenant
    union all select 'key' from sign_in.signing_key where valid_to < :now
""")


async def _live(desk: Desk, company: Company, ago: timedelta) -> None:
    """Do, some time ago, all that sign-in remembers."""
    at = SystemClock().now() - ago
    async with open_store(desk.login, at) as store:
        person = await store.person(email=company.email("member"))
        assert person is not None
        await store.begin_family(person.user_id, company.id)
        await store.offer_reset(person)
        await store.offer_code(person.user_id, company.id)
        await store.keep_flow(f"state-{ago}", Flow(company.id, "nonce", "verifier", b"browser", None))


async def _kept(desk: Desk, company: Company) -> list[str]:
    now = SystemClock().now()
    async with open_store(desk.login, now) as store:
        person = await store.person(email=company.email("member"))
    assert person is not None
    known = {"user": person.user_id, "email": person.email, "tenant": company.id, "now": now}
    async with desk.login.begin() as connection:
        return sorted((await connection.execute(_KEPT, known)).scalars().all())


async def test_what_sign_in_remembers_goes_when_it_is_over(desk: Desk, company: Company) -> None:
    await _live(desk, company, timedelta(days=40))
    await key_ring(desk.login, SystemClock().now() - timedelta(days=40))
    await _live(desk, company, timedelta())

    async with Database(desk.login, "identity", SystemClock()).transaction(system(PLATFORM)) as tx:
        await forget_sign_ins(tx)

    assert await _kept(desk, company) == ["family", "flow", "letter", "once", "once", "token"]


async def test_its_role_may_keep_the_schedule(desk: Desk) -> None:
    mark = mark_of(forget_sign_ins)
    assert isinstance(mark, ScheduleMark)
    noted = text("insert into kit.schedule values (:tenant, 'test', now()) on conflict do nothing")
    fenced = text("select 1 from kit.consumer_lease for key share")

    async with Database(desk.login, "identity", SystemClock()).transaction(system(PLATFORM)) as tx:
        await tx.session.execute(noted, {"tenant": PLATFORM})
        await tx.session.execute(fenced)

    assert (mark.role, mark.platform) == ("identity_login", True)


async def test_a_session_leaves_the_list_a_month_after_its_end(desk: Desk, company: Company) -> None:
    await desk.signed_in(company, "member")
    await desk.signed_in(company, "viewer")
    aged = "update session set expires_at = now() - interval '31 days' where device is not null and user_id = $1 returning 1"
    member = await desk.principal(company, "member")
    assert len(await desk.running.rows(company.id, aged, member.user)) == 2

    async with desk.running.database.transaction(system(company.id)) as tx:
        await forget_sessions(tx)

    left = await desk.running.rows(company.id, "select user_id from session")
    assert [row["user_id"] != member.user for row in left] == [True]
