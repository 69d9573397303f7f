"""The second factor: enrolling, the two steps of sign-in, codes that count once, and who must have one (IDN-5)."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pyotp import parse_uri
from pyotp.totp import TOTP
from sqlalchemy import text

from shared.wire.principal import Principal
from subgraphs.identity.second_factor import SecondFactor
from subgraphs.identity.tests.conftest import PASSWORD, Company, Desk
from subgraphs.identity.tests.test_sign_in import role_id

pytestmark = pytest.mark.anyio
SHOWN = "userAccount { id mfaEnabled mfaUri recoveryCodes }"


class Phone:
    """An authenticator: it makes the code of a step from what it read."""

    def __init__(self, uri: str, desk: Desk) -> None:
        self.totp = parse_uri(uri)
        self._desk = desk

    def code(self, steps: int = 0) -> str:
        assert isinstance(self.totp, TOTP)
        return self.totp.at(self._desk.running.database.clock.now(), counter_offset=steps)

    def wrong(self) -> str:
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(code for code in ("000000", "123456", "654321") if code not in near)


async def enrol(desk: Desk, who: Principal) -> tuple[Phone, list[str]]:
    """Give a person a second factor; its first code is of the step before, so that the current one is still good."""
    shown = (await desk.running.command(who, "enableMfa", SHOWN))["userAccount"]
    phone = Phone(shown["mfaUri"], desk)
    confirmed = await desk.running.command(who, "confirmMfa", SHOWN, code=phone.code(-1))
    if confirmed["userErrors"]:  # a step ended just then, and the code was two behind
        confirmed = await desk.running.command(who, "confirmMfa", SHOWN, code=phone.code(-1))
    assert confirmed["userErrors"] == []
    assert confirmed["userAccount"]["mfaEnabled"] is True
    return phone, shown["recoveryCodes"]


async def first_step(desk: Desk, company: Company, label: str = "member") -> str:
    answer = await desk.post("/auth/login", email=company.email(label), password=PASSWORD)
    assert answer.status == 200
    assert list(answer.body) == ["mfaToken"]
    return answer.body["mfaToken"]


async def test_enrolling_shows_once_what_an_authenticator_reads(desk: Desk, company: Company) -> None:
    member = await desk.principal(company, "member")

    first = await desk.running.command(member, "enableMfa", SHOWN, idempotencyKey="enrol")
    again = await desk.running.command(member, "enableMfa", SHOWN, idempotencyKey="enrol")

    shown = first["userAccount"]
    uri = urlsplit(shown["mfaUri"])
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert parse_qs(uri.query)["issuer"] == ["Mewayz"]
    assert len(set(shown["recoveryCodes"])) == 10
    assert again["userAccount"] == {**shown, "mfaUri": None, "recoveryCodes": None}
    assert shown["mfaEnabled"] is False
    async with desk.login.begin() as connection:
        kept = (await connection.execute(text("select hash from sign_in.recovery_code"))).scalars().all()
    assert not {code.encode() for code in shown["recoveryCodes"]} & set(kept)


async def test_a_secret_that_was_not_confirmed_asks_nobody_for_a_code(desk: Desk, company: Company) -> None:
    member = await desk.principal(company, "member")
    await desk.running.command(member, "enableMfa", SHOWN)

    assert (await desk.post("/auth/login", email=company.email("member"), password=PASSWORD)).body["accessToken"]


async def test_sign_in_takes_a_second_step_and_lands_where_the_first_wanted(desk: Desk, company: Company) -> None:
    phone, _ = await enrol(desk, await desk.principal(company, "member"))

    token = await first_step(desk, company)
    answer = await desk.post("/auth/mfa", mfaToken=token, code=phone.code())

    assert answer.status == 200
    assert answer.body["tenant"]["slug"] == company.slug
    assert set(answer.body) == {"accessToken", "tokenType", "expiresIn", "refreshToken", "tenant", "tenants"}
    assert (await desk.post("/auth/mfa", mfaToken=token, code=phone.code(1))).status == 401, "a token counts once"


async def test_a_code_counts_once_in_its_window(desk: Desk, company: Company) -> None:
    """RFC 6238, 5.2"""
    phone, _ = await enrol(desk, await desk.principal(company, "member"))
    code = phone.code()
    assert (await desk.post("/auth/mfa", mfaToken=await first_step(desk, company), code=code)).status == 200

    replayed = await desk.post("/auth/mfa", mfaToken=await first_step(desk, company), code=code)
    before = await desk.post("/auth/mfa", mfaToken=await first_step(desk, company), code=phone.code(-1))
    after = await desk.post("/auth/mfa", mfaToken=await first_step(desk, company), code=phone.code(1))

    assert [replayed.status, before.status, after.status] == [401, 401, 200]


async def test_two_who_send_the_same_code_at_once_are_one(desk: Desk, company: Company) -> None:
    import anyio

    phone, _ = await enrol(desk, await desk.principal(company, "member"))
    tokens = [await first_step(desk, company) for _ in range(2)]
    code, statuses = phone.code(), []

    async def step(token: str) -> None:
        statuses.append((await desk.post("/auth/mfa", mfaToken=token, code=code)).status)

    async with anyio.create_task_group() as tasks:
        for token in tokens:
            tasks.start_soon(step, token)

    assert sorted(statuses) == [200, 401]


async def test_a_wrong_code_leaves_the_first_step_good_and_reads_like_any_refusal(desk: Desk, company: Company) -> None:
    phone, _ = await enrol(desk, await desk.principal(company, "member"))
    token = await first_step(desk, company)

    wrong = await desk.post("/auth/mfa", mfaToken=token, code=phone.wrong())
    unknown = await desk.post("/auth/mfa", mfaToken="never issued", code=phone.code())
    password = await desk.post("/auth/login", email=company.email(), password="wrong and long enough")

    assert [wrong.status, unknown.status] == [401, 401]
    assert wrong.body == unknown.body == password.body
    assert (await desk.post("/auth/mfa", mfaToken=token, code=phone.code())).status == 200


async def test_the_sixth_try_in_fifteen_minutes_is_refused_even_with_the_right_code(
    desk: Desk, company: Company
) -> None:
    phone, _ = await enrol(desk, await desk.principal(company, "member"))
    token = await first_step(desk, company)
    for _ in range(5):
        assert (await desk.post("/auth/mfa", mfaToken=token, code=phone.wrong())).status == 401

    locked = await desk.post("/auth/mfa", mfaToken=token, code=phone.code())

    assert locked.status == 429
    assert 800 < int(locked.headers["retry-after"]) <= 900


async def test_a_recovery_code_stands_for_a_lost_authenticator_once(desk: Desk, company: Company) -> None:
    _, codes = await enrol(desk, await desk.principal(company, "member"))

    good = await desk.post("/auth/mfa", mfaToken=await first_step(desk, company), code=codes[3].upper())
    again = await desk.post("/auth/mfa", mfaToken=await first_step(desk, company), code=codes[3])

    assert [good.status, again.status] == [200, 401]


async def test_new_recovery_codes_replace_the_old_and_take_a_code(desk: Desk, company: Company) -> None:
    member = await desk.principal(company, "member")
    phone, codes = await enrol(desk, member)

    refused = await desk.running.command(member, "renewRecoveryCodes", SHOWN, code=phone.wrong())
    renewed = await desk.running.command(member, "renewRecoveryCodes", SHOWN, code=phone.code())

    assert [error["code"] for error in refused["userErrors"]] == ["WRONG_CODE"]
    new = renewed["userAccount"]["recoveryCodes"]
    assert not set(new) & set(codes)
    old = await desk.post("/auth/mfa", mfaToken=await first_step(desk, company), code=codes[0])
    fresh = await desk.post("/auth/mfa", mfaToken=await first_step(desk, company), code=new[0])
    assert [old.status, fresh.status] == [401, 200]


async def test_disabling_takes_a_code_and_a_borrowed_session_can_not_guess_it(desk: Desk, company: Company) -> None:
    member = await desk.principal(company, "member")
    phone, _ = await enrol(desk, member)

    guesses = [await desk.running.command(member, "disableMfa", SHOWN, code=phone.wrong()) for _ in range(6)]
    late = await desk.running.command(member, "disableMfa", SHOWN, code=phone.code())

    codes = [guess["userErrors"][0]["code"] for guess in (*guesses, late)]
    assert codes == ["WRONG_CODE"] * 5 + ["TOO_MANY_ATTEMPTS"] * 2


async def test_after_disabling_a_password_is_enough(desk: Desk, company: Company) -> None:
    member = await desk.principal(company, "member")
    phone, _ = await enrol(desk, member)

    done = await desk.running.command(member, "disableMfa", SHOWN, code=phone.code())

    assert done["userAccount"]["mfaEnabled"] is False
    assert "accessToken" in (await desk.post("/auth/login", email=company.email("member"), password=PASSWORD)).body
    changes = [event["data"]["enabled"] for event in await desk.running.outgoing(company.id, "user.mfa.changed")]
    assert changes == [True, False]


async def test_an_active_factor_is_not_replaced_by_who_has_the_session(desk: Desk, company: Company) -> None:
    member = await desk.principal(company, "member")
    await enrol(desk, member)

    refused = await desk.running.command(member, "enableMfa", SHOWN)

    assert [error["code"] for error in refused["userErrors"]] == ["ILLEGAL_STATE"]


async def test_a_reset_password_does_not_open_what_the_second_factor_holds(desk: Desk, company: Company) -> None:
    await enrol(desk, await desk.principal(company, "member"))
    await desk.post("/auth/reset", email=company.email("member"))
    token = await desk.letter(company.email("member"))
    assert (await desk.post("/auth/reset/confirm", token=token, password=PASSWORD)).status == 204

    assert await first_step(desk, company)


async def test_a_new_password_ends_what_the_old_one_began(desk: Desk, company: Company) -> None:
    """Other letters on their way, and a first step whose code is yet to come."""
    phone, _ = await enrol(desk, await desk.principal(company, "member"))
    half = await desk.post("/auth/login", email=company.email("member"), password=PASSWORD)
    letters: list[str] = []
    for _ in range(2):
        await desk.post("/auth/reset", email=company.email("member"))
        letters.append(await desk.letter(company.email("member")))
    invited = await desk.company()
    boss, viewer = await desk.principal(invited), await role_id(desk, invited, "Viewer")
    await desk.running.command(boss, "inviteUser", "userAccount { id }", email=company.email("member"), roleId=viewer)
    invitation = await desk.letter(company.email("member"))

    assert (await desk.post("/auth/reset/confirm", token=letters[1], password="quite another one")).status == 204

    assert (await desk.post("/auth/reset/confirm", token=letters[0], password="and a third one")).status == 401
    assert (await desk.post("/auth/mfa", mfaToken=half.body["mfaToken"], code=phone.code())).status == 401
    assert (await desk.post("/auth/invitation", token=invitation, password="quite another one")).status == 200


async def test_a_person_has_one_factor_for_all_their_tenants(desk: Desk, company: Company) -> None:
    phone, _ = await enrol(desk, await desk.principal(company, "member"))
    other = await desk.company()
    boss = await desk.principal(other)
    viewer = await role_id(desk, other, "Viewer")
    await desk.running.command(boss, "inviteUser", "userAccount { id }", email=company.email("member"), roleId=viewer)
    letter = await desk.letter(company.email("member"))

    invited = await desk.post("/auth/invitation", token=letter, password=PASSWORD)
    joined = await desk.post("/auth/mfa", mfaToken=invited.body["mfaToken"], code=phone.code())

    assert joined.body["tenant"]["slug"] == other.slug
    rows = await desk.running.rows(
        other.id, "select mfa_enabled from user_account where email = $1", company.email("member")
    )
    assert rows == [{"mfa_enabled": True}]


async def test_where_everyone_must_have_one_who_has_none_may_only_set_it_up(desk: Desk, company: Company) -> None:
    """IDN-5"""
    owner = await desk.principal(company)
    set_ = await desk.running.command(owner, "setMfaPolicy", "tenant { mfaPolicy }", policy="EVERYONE")
    assert set_["tenant"] == {"mfaPolicy": "EVERYONE"}

    signed_in = await desk.signed_in(company, "member")
    member = await desk.read(signed_in)
    phone, _ = await enrol(desk, member)
    refreshed = await desk.post("/auth/refresh", refreshToken=signed_in["refreshToken"])

    assert set(member.permissions) == {"identity.mfa.manage@own", "identity.user_account.read"}
    assert "crm.deal.read" in desk.claims(refreshed.body)["perms"]
    assert (await desk.post("/auth/mfa", mfaToken=await first_step(desk, company), code=phone.code())).status == 200


async def test_where_the_privileged_must_have_one_others_need_none(desk: Desk, company: Company) -> None:
    """IDN-5"""
    owner = await desk.principal(company)
    await desk.running.command(owner, "setMfaPolicy", "tenant { id }", policy="PRIVILEGED")

    assert "*" not in (await desk.principal(company)).permissions
    assert (await desk.principal(company, "member")).scope("crm.deal.read")


async def test_a_clock_that_is_one_step_off_is_good_and_two_are_not(desk: Desk) -> None:
    """RFC 6238, 5.2"""
    company = await desk.company()
    user = (await desk.principal(company)).user
    assert user
    now = desk.running.database.clock.now()

    async def accepts(steps: int) -> Any:
        async with desk.login.connect() as connection:
            factor = SecondFactor(connection, user, now)
            phone = parse_uri((await factor.begin("a@b.example")).uri)
            assert isinstance(phone, TOTP)
            return await factor.confirm(phone.at(now + timedelta(seconds=30 * steps)))

    assert [await accepts(steps) for steps in (-2, -1, 0, 1, 2)] == [False, True, True, True, False]
