"""Password sign-in, refresh with rotation, switching tenants, and what refusals tell (contracts.md, "Sign-in")."""

import time
from functools import partial

import anyio
import pytest
from sqlalchemy import text

from shared.clock import SystemClock
from shared.errors import InvalidInput
from shared.module.http import HttpAnswer
from subgraphs.identity.sign_in.store import open_store
from subgraphs.identity.tests.conftest import ISSUER, PASSWORD, Company, Desk

pytestmark = pytest.mark.anyio


async def test_a_login_answers_with_both_tokens_and_the_tenants_to_choose_from(desk: Desk, company: Company) -> None:
    answer = await desk.post("/auth/login", email=company.email("member").upper(), password=PASSWORD)

    assert answer.status == 200
    here = {"id": str(company.id), "slug": company.slug, "name": "Test"}
    assert answer.body["tokenType"] == "Bearer"
    assert answer.body["expiresIn"] == 600
    assert answer.body["tenant"] == here
    assert answer.body["tenants"] == [here]
    assert set(answer.body) == {"accessToken", "tokenType", "expiresIn", "refreshToken", "tenant", "tenants"}
    assert answer.headers["cache-control"] == "no-store"


async def test_an_access_token_says_who_where_and_what_for_ten_minutes(desk: Desk, company: Company) -> None:
    claims = desk.claims(await desk.signed_in(company, "member"))

    assert claims["iss"] == ISSUER
    assert claims["tid"] == str(company.id)
    assert claims["roles"] == ["Member"]
    assert claims["plan"] == "FREE"
    assert 599 < claims["exp"] - claims["iat"] <= 600
    assert "identity.user_account.read" in claims["perms"]
    assert "*" not in claims["perms"]
    assert claims["emp"] is None


async def test_the_gateway_verifies_tokens_by_the_published_keys(desk: Desk, company: Company) -> None:
    principal = await desk.principal(company)

    assert principal.tenant == company.id
    assert principal.permissions == ("*",)


@pytest.mark.parametrize(
    "sent",
    [
        {"email": "{member}", "password": "wrong and long enough"},
        {"email": "nobody@nowhere.example", "password": PASSWORD},
        {"email": "{member}", "password": PASSWORD, "tenant": "no-such-tenant"},
        {"email": "{member}", "password": ""},
    ],
)
async def test_every_refused_login_reads_the_same(desk: Desk, company: Company, sent: dict[str, str]) -> None:
    """IDN-4"""
    sent = {name: value.format(member=company.email("member")) for name, value in sent.items()}

    answer = await desk.post("/auth/login", **sent)

    assert answer.status == 401
    message = "Sign-in was refused: check what you entered, or sign in again."
    assert answer.body == {"errors": [{"message": message, "extensions": {"code": "UNAUTHENTICATED"}}]}


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "登录被拒绝：请检查输入的内容，或重新登录。"),
        ("en-GB, zh;q=0.5", "Sign-in was refused: check what you entered, or sign in again."),
        ("de, zh;q=0.2, en;q=0.1", "登录被拒绝：请检查输入的内容，或重新登录。"),
        ("tlh;q=x,,;q=", "Sign-in was refused: check what you entered, or sign in again."),
    ],
)
async def test_a_refusal_is_in_the_language_the_browser_asks_for(desk: Desk, language: str, told: str) -> None:
    sent = {"email": "nobody@nowhere.example", "password": "wrong and long enough"}

    answer = await desk.send("POST", "/auth/login", sent, language=language, peer=f"198.51.100.{len(language)}")

    assert answer.body["errors"][0]["message"] == told


async def test_an_unknown_address_takes_as_long_as_a_wrong_password(desk: Desk, company: Company) -> None:
    """IDN-4"""

    async def work(email: str) -> float:
        start = time.process_time()  # of all threads: hashing runs in one of its own
        await desk.post("/auth/login", email=email, password="wrong and long enough")
        return time.process_time() - start

    known: list[float] = []
    unknown: list[float] = []
    for _ in range(5):
        known.append(await work(company.email("viewer")))
        unknown.append(await work(f"nobody-{company.slug}@nowhere.example"))

    assert 0.5 < min(known) / min(unknown) < 2


async def test_ten_failures_lock_the_account_for_fifteen_minutes(desk: Desk, company: Company) -> None:
    """IDN-4"""
    for number in range(10):
        refused = await desk.post("/auth/login", email=company.email(), password=f"wrong guess {number:04}")
        assert refused.status == 401

    locked = await desk.post("/auth/login", email=company.email(), password=PASSWORD)

    assert locked.status == 429
    assert 880 < int(locked.headers["retry-after"]) <= 900


async def test_guesses_that_come_all_at_once_are_no_more_than_those_one_after_the_other(
    desk: Desk, company: Company
) -> None:
    """IDN-4, threat 26"""
    statuses: list[int] = []

    async def guess(number: int) -> None:
        sent = {"email": company.email(), "password": f"wrong guess {number:04}"}
        statuses.append((await desk.send("POST", "/auth/login", sent, peer="198.51.100.1")).status)

    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(guess, number)

    assert sorted(statuses) == [401] * 10 + [429] * 30


async def test_an_address_nobody_has_is_locked_like_any_other(desk: Desk, company: Company) -> None:
    """IDN-4"""
    nobody = f"guess-{company.slug}@nowhere.example"
    for number in range(10):
        assert (await desk.post("/auth/login", email=nobody, password=f"guess {number}")).status == 401

    assert (await desk.post("/auth/login", email=nobody, password="guess")).status == 429


async def test_a_refresh_gives_new_tokens_of_the_same_session(desk: Desk, company: Company) -> None:
    first = await desk.signed_in(company)

    second = await desk.post("/auth/refresh", refreshToken=first["refreshToken"])

    assert second.status == 200
    assert second.body["refreshToken"] != first["refreshToken"]
    assert desk.claims(second.body)["sid"] == desk.claims(first)["sid"]


async def test_a_refresh_token_sent_twice_ends_the_session(desk: Desk, company: Company) -> None:
    """IDN-2"""
    stolen = (await desk.signed_in(company))["refreshToken"]
    newest = (await desk.post("/auth/refresh", refreshToken=stolen)).body["refreshToken"]

    assert (await desk.post("/auth/refresh", refreshToken=stolen)).status == 401

    assert (await desk.post("/auth/refresh", refreshToken=newest)).status == 401
    sessions = await desk.running.rows(company.id, "select ended_at from session")
    assert all(row["ended_at"] for row in sessions)


async def test_two_refreshes_at_once_are_a_reuse(desk: Desk, company: Company) -> None:
    """IDN-2"""
    import anyio

    token = (await desk.signed_in(company))["refreshToken"]
    statuses: list[int] = []

    async def refresh() -> None:
        statuses.append((await desk.post("/auth/refresh", refreshToken=token)).status)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(refresh)
        tasks.start_soon(refresh)

    assert sorted(statuses) == [200, 401]


async def test_after_logout_the_session_can_not_be_continued(desk: Desk, company: Company) -> None:
    token = (await desk.signed_in(company))["refreshToken"]

    assert (await desk.post("/auth/logout", refreshToken=token)).status == 204

    assert (await desk.post("/auth/refresh", refreshToken=token)).status == 401
    assert (await desk.post("/auth/logout", refreshToken="never issued")).status == 204


async def test_a_person_of_two_tenants_switches_between_them(desk: Desk, company: Company) -> None:
    """IDN-1"""
    other = await desk.company()
    owner = await desk.principal(other)
    viewer_role = await role_id(desk, other, "Viewer")
    await desk.running.command(
        owner, "inviteUser", "userAccount { id }", email=company.email("member"), roleId=viewer_role
    )
    token = await desk.letter(company.email("member"))
    joined = await desk.post("/auth/invitation", token=token, password=PASSWORD)
    assert joined.status == 200
    assert joined.body["tenant"]["slug"] == other.slug

    switched = await desk.post("/auth/switch", refreshToken=joined.body["refreshToken"], tenant=company.slug)

    assert switched.status == 200
    assert switched.body["tenant"]["slug"] == company.slug
    assert {one["slug"] for one in switched.body["tenants"]} == {company.slug, other.slug}
    here, there = desk.claims(switched.body), desk.claims(joined.body)
    assert here["sub"] == there["sub"]
    assert here["roles"] == ["Member"]
    assert there["roles"] == ["Viewer"]
    again = await desk.post("/auth/login", email=company.email("member"), password=PASSWORD)
    assert again.body["tenant"]["slug"] == company.slug, "the last used tenant"


async def test_a_refused_switch_leaves_the_session_as_it_was(desk: Desk, company: Company) -> None:
    other = await desk.company()
    token = (await desk.signed_in(company))["refreshToken"]

    for tenant in (other.slug, str(other.id), "no-such-tenant"):
        assert (await desk.post("/auth/switch", refreshToken=token, tenant=tenant)).status == 401

    assert (await desk.post("/auth/refresh", refreshToken=token)).status == 200


async def test_a_session_ended_by_its_owner_is_neither_refreshed_nor_switched(desk: Desk, company: Company) -> None:
    signed_in = await desk.signed_in(company, "member")
    member = await desk.read(signed_in)
    ended = await desk.running.command(
        member, "endSession", "session { id endedAt }", sessionId=desk.claims(signed_in)["sid"]
    )

    assert ended["session"]["endedAt"]
    for path, more in (("/auth/switch", {"tenant": company.slug}), ("/auth/refresh", {})):
        assert (await desk.post(path, refreshToken=signed_in["refreshToken"], **more)).status == 401


async def test_a_forgotten_password_is_replaced_by_letter_and_ends_all_sessions(desk: Desk, company: Company) -> None:
    session = await desk.signed_in(company)
    assert (await desk.post("/auth/reset", email=company.email())).status == 202
    token = await desk.letter(company.email())

    assert (await desk.post("/auth/reset/confirm", token=token, password="quite another one")).status == 204

    assert (await desk.post("/auth/refresh", refreshToken=session["refreshToken"])).status == 401
    assert (await desk.post("/auth/login", email=company.email(), password=PASSWORD)).status == 401
    assert (await desk.post("/auth/login", email=company.email(), password="quite another one")).status == 200
    assert (await desk.post("/auth/reset/confirm", token=token, password="and a third one")).status == 401
    (told,) = await desk.running.outgoing(company.id, "user.password.changed")
    assert (told["actorid"], told["origin"]) == (desk.claims(session)["sub"], desk.peer)


async def test_who_signs_in_with_the_old_password_while_it_is_replaced_is_out_like_all_others(
    desk: Desk, company: Company
) -> None:
    """The password was right when it was read, and another one holds when the session begins."""
    await desk.post("/auth/reset", email=company.email())
    token = await desk.letter(company.email())
    answers: list[HttpAnswer] = []

    async def old() -> None:
        answers.append(await desk.post("/auth/login", email=company.email(), password=PASSWORD))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(desk.post, "/auth/reset/confirm", token=token, password="quite another one"))
        for _ in range(6):
            tasks.start_soon(old)

    begun = [answer.body["refreshToken"] for answer in answers if answer.status == 200]
    assert {(await desk.post("/auth/refresh", refreshToken=one)).status for one in begun} <= {401}
    assert (await desk.post("/auth/login", email=company.email(), password="quite another one")).status == 200


async def test_a_stronger_hash_does_not_bring_an_old_password_back(desk: Desk, company: Company) -> None:
    async with open_store(desk.login, SystemClock().now()) as store:
        before = await store.person(email=company.email())
    assert before is not None
    await desk.set_password(company.email(), "quite another one")

    async with open_store(desk.login, SystemClock().now()) as store:
        assert await store.renew_hash(before, "stronger") == before

    assert (await desk.post("/auth/login", email=company.email(), password="quite another one")).status == 200


async def test_letters_that_one_place_asks_for_are_bounded(desk: Desk, company: Company) -> None:
    """However many addresses it knows, and however many of its own it has (threat 26)"""
    async with anyio.create_task_group() as tasks:
        for number in range(40):
            sent = {"email": f"{number}-{company.slug}@nowhere.example"}
            tasks.start_soon(partial(desk.send, "POST", "/auth/reset", sent, peer=f"2001:db8:0:7::{number:x}"))

    answer = await desk.send("POST", "/auth/reset", {"email": company.email()}, peer="2001:db8:0:7::ffff")
    async with desk.login.begin() as connection:
        values = {"email": company.email()}
        found = await connection.execute(text("select 1 from sign_in.letter where email = :email"), values)
        assert found.first() is None
    await desk.send("POST", "/auth/reset", {"email": company.email()}, peer="2001:db8:0:8::1")

    assert answer.status == 202
    assert await desk.letter(company.email())


async def test_a_reset_for_nobody_is_answered_the_same_and_writes_nothing(desk: Desk, company: Company) -> None:
    nobody = f"nobody-{company.slug}@nowhere.example"

    answer = await desk.post("/auth/reset", email=nobody)

    assert (answer.status, answer.body) == (202, None)
    async with desk.login.begin() as connection:
        found = await connection.execute(text("select 1 from sign_in.letter where email = :email"), {"email": nobody})
        assert found.first() is None


async def test_the_supervisor_gets_a_session_and_nobody_else_sees_the_path(desk: Desk, company: Company) -> None:
    body = {"tenant": company.slug}

    owner = await desk.send("POST", "/auth/session", body, via="supervisor")
    member = await desk.send("POST", "/auth/session", {**body, "user": company.email("member")}, via="supervisor")
    outsider = await desk.send("POST", "/auth/session", body)

    assert desk.claims(owner.body)["roles"] == ["Owner"]
    assert desk.claims(member.body)["roles"] == ["Member"]
    assert "refreshToken" not in owner.body
    assert outsider.status == 404


async def test_a_malformed_body_is_told_as_such(desk: Desk) -> None:
    from shared.errors import InvalidInput

    with pytest.raises(InvalidInput):
        await desk.send("POST", "/auth/login", ["no", "object"])


async def role_id(desk: Desk, company: Company, name: str) -> str:
    (row,) = await desk.running.rows(company.id, "select id from access_role where name = $1", name)
    return str(row["id"])


async def test_an_address_or_password_with_a_nul_is_no_defect(desk: Desk) -> None:
    for sent in ({"email": "a\0@x.example", "password": "x"}, {"email": "a@x.example", "password": "\0"}):
        with pytest.raises(InvalidInput, match="NUL"):
            await desk.post("/auth/login", **sent)
