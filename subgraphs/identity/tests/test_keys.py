"""Keys of access tokens that change without outage, and keys for programs (IDN-2, IDN-6)."""

import hashlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from shared.wire.principal import Principal
from subgraphs.identity.sign_in.keys import key_ring
from subgraphs.identity.tests.conftest import Company, Desk
from subgraphs.identity.tests.test_sign_in import role_id

pytestmark = pytest.mark.anyio
NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)


async def test_a_new_key_is_published_before_it_signs_and_the_old_one_stays_until_its_tokens_are_over(
    desk: Desk,
) -> None:
    """IDN-2"""
    try:
        first = (await key_ring(desk.login, NOW)).signing(NOW)
        eve = NOW + timedelta(days=29, hours=23, minutes=30)
        turn, after = eve + timedelta(hours=1, minutes=1), eve + timedelta(days=2)

        announced = await key_ring(desk.login, eve)
        turned = await key_ring(desk.login, turn)
        later = await key_ring(desk.login, after)

        assert len(announced.keys) == 2
        assert announced.signing(eve).kid == first.kid
        assert turned.signing(turn).kid != first.kid
        assert first.kid in {key.kid for key, _ in turned.keys}
        assert first.kid not in {key.kid for key, _ in later.keys}
    finally:
        async with desk.login.begin() as connection:  # keys of the future would sign for the other tests
            await connection.execute(text("delete from sign_in.signing_key where valid_from > '2031-01-01'"))


async def test_the_first_sign_in_after_a_long_rest_has_a_key(desk: Desk) -> None:
    late = NOW + timedelta(days=400)
    try:
        await key_ring(desk.login, late - timedelta(days=30, hours=20))

        assert (await key_ring(desk.login, late)).signing(late)
    finally:
        async with desk.login.begin() as connection:
            await connection.execute(text("delete from sign_in.signing_key where valid_from > '2031-01-01'"))


async def test_an_api_key_is_shown_once_and_kept_as_a_hash(desk: Desk, company: Company) -> None:
    """IDN-6"""
    owner = await desk.principal(company)
    arguments = {
        "label": "Till",
        "roleId": await role_id(desk, company, "Viewer"),
        "expiresAt": (datetime.now(UTC) + timedelta(days=90)).isoformat(),  # noqa: TID251 outside the platform
        "idempotencyKey": "till",
    }
    selection = "serviceCredential { id prefix secret revoked }"

    issued = (await desk.running.command(owner, "issueApiKey", selection, **arguments))["serviceCredential"]
    again = (await desk.running.command(owner, "issueApiKey", selection, **arguments))["serviceCredential"]

    assert issued["secret"].startswith(f"{issued['prefix']}_{company.id.hex}_")
    assert again == {**issued, "secret": None}
    (kept,) = await desk.running.rows(company.id, "select secret_hash from service_credential")
    assert kept["secret_hash"] == hashlib.sha256(issued["secret"].encode()).hexdigest()
    (event,) = await desk.running.outgoing(company.id, "api_key.issued")
    assert event["data"]["prefix"] == issued["prefix"]
    assert issued["secret"] not in str(event)

    revoked = await desk.running.command(owner, "revokeApiKey", "serviceCredential { revoked }", id=issued["id"])
    assert revoked["serviceCredential"] == {"revoked": True}


async def test_a_key_brings_a_program_in_with_its_roles_permissions_until_it_is_revoked(
    desk: Desk, company: Company
) -> None:
    """IDN-6; security.md, threat 26"""
    owner = await desk.principal(company)
    arguments = {
        "label": "Shop",
        "roleId": await role_id(desk, company, "Viewer"),
        "expiresAt": (datetime.now(UTC) + timedelta(days=9)).isoformat(),  # noqa: TID251 outside the platform
    }
    issued = await desk.running.command(owner, "issueApiKey", "serviceCredential { id secret }", **arguments)
    shown = issued["serviceCredential"]
    other = shown["secret"][:-1] + ("A" if shown["secret"][-1] != "A" else "B")

    good = await desk.post("/auth/key", key=shown["secret"])
    refused = [await desk.post("/auth/key", key=key) for key in (other, "mwz_x", "", shown["secret"].upper())]
    await desk.running.command(owner, "revokeApiKey", "serviceCredential { revoked }", id=shown["id"])
    revoked = await desk.post("/auth/key", key=shown["secret"])

    program = await desk.read(good.body)
    assert program.tenant == company.id
    assert str(program.user) == shown["id"]
    assert program.scope("crm.deal.read")
    assert program.scope("crm.deal.write") is None
    assert [(one.status, one.body) for one in refused] == [(401, revoked.body)] * 4
    assert revoked.status == 401


async def test_a_key_makes_none_that_is_less_bound_than_itself(desk: Desk, company: Company) -> None:
    """IDN-3: one bound to an office's addresses could make one for everywhere"""
    owner = await desk.principal(company)
    arguments = {
        "label": "Deploy",
        "roleId": await role_id(desk, company, "Admin"),
        "expiresAt": (datetime.now(UTC) + timedelta(days=9)).isoformat(),  # noqa: TID251 outside the platform
        "allowedAddresses": ["203.0.113.0/24"],
        "allowedOrigins": ["https://shop.example"],
    }
    issued = await desk.running.command(owner, "issueApiKey", "serviceCredential { secret }", **arguments)
    program = await desk.read((await desk.post("/auth/key", key=issued["serviceCredential"]["secret"])).body)

    async def refused(**changes: Any) -> list[tuple[str, list[str]]]:
        wanted = {**arguments, **changes}
        answer = await desk.running.command(program, "issueApiKey", "serviceCredential { id }", **wanted)
        return [(error["code"], error["field"]) for error in answer["userErrors"]]

    for places in ([], ["203.0.113.7", "198.51.100.1"], ["203.0.0.0/16"], ["2001:db8::/32"]):
        assert await refused(allowedAddresses=places) == [("PRIVILEGE_ESCALATION", ["allowedAddresses"])]
    for pages in ([], ["https://shop.example", "https://evil.example"]):
        assert await refused(allowedOrigins=pages) == [("PRIVILEGE_ESCALATION", ["allowedOrigins"])]
    assert await refused(allowedAddresses=["203.0.113.7"]) == []


async def test_what_a_program_may_is_asked_anew_before_a_command_of_its_that_waited(
    desk: Desk, company: Company
) -> None:
    """events.md, D: its key stands where a person would"""
    owner = await desk.principal(company)
    arguments = {
        "label": "Shop",
        "roleId": await role_id(desk, company, "Viewer"),
        "expiresAt": (datetime.now(UTC) + timedelta(days=9)).isoformat(),  # noqa: TID251 outside the platform
        "modules": ["crm"],
    }
    issued = await desk.running.command(owner, "issueApiKey", "serviceCredential { id secret }", **arguments)
    key = issued["serviceCredential"]
    sent = await desk.read((await desk.post("/auth/key", key=key["secret"])).body)

    good = await desk.send("POST", "/auth/standing", {}, who=sent)
    elsewhere = await desk.send(
        "POST", "/auth/standing", {}, who=Principal(tenant=(await desk.company()).id, user=sent.user)
    )
    await desk.running.command(owner, "revokeApiKey", "serviceCredential { id }", id=key["id"])
    revoked = await desk.send("POST", "/auth/standing", {}, who=sent)

    assert msgspec.convert(good.body, Principal) == msgspec.structs.replace(sent, plan="")
    assert (elsewhere.status, revoked.status) == (403, 403)


@pytest.mark.parametrize("days", [-1, 400])
async def test_an_api_key_ends_within_a_year(desk: Desk, company: Company, days: int) -> None:
    """IDN-6"""
    refused = await desk.running.command(
        await desk.principal(company),
        "issueApiKey",
        "serviceCredential { id }",
        label="Till",
        roleId=await role_id(desk, company, "Viewer"),
        expiresAt=(datetime.now(UTC) + timedelta(days=days)).isoformat(),  # noqa: TID251 outside the platform
    )

    assert refused["userErrors"][0]["field"] == ["expiresAt"]


async def issue(desk: Desk, company: Company, selection: str, **more: Any) -> Any:
    """Issue a key of a viewer for nine days, with what else is wanted."""
    arguments = {
        "label": "Shop",
        "roleId": await role_id(desk, company, "Viewer"),
        "expiresAt": (datetime.now(UTC) + timedelta(days=9)).isoformat(),  # noqa: TID251 outside the platform
        **more,
    }
    return await desk.running.command(await desk.principal(company), "issueApiKey", selection, **arguments)


async def test_a_key_keeps_from_where_and_for_what_it_may_be_used_and_when_it_was(desk: Desk, company: Company) -> None:
    """IDN-6"""
    bounds = {
        "allowedAddresses": ["203.0.113.7", "2001:DB8::1/32"],
        "allowedOrigins": ["https://Shop.Example/"],
        "modules": ["crm", "invoicing"],
    }
    selection = "serviceCredential { id secret lastUsedAt kind allowedAddresses allowedOrigins modules }"
    issued = (await issue(desk, company, selection, kind="MACHINE", **bounds))["serviceCredential"]

    answer = await desk.post("/auth/key", key=issued["secret"])

    networks = ["203.0.113.7/32", "2001:db8::/32"]
    assert issued["kind"] == "MACHINE"
    assert (issued["allowedAddresses"], issued["modules"]) == (networks, ["crm", "invoicing"])
    assert list(answer.body["addresses"]) == networks
    assert list(answer.body["origins"]) == ["https://shop.example"]
    assert (await desk.read(answer.body)).modules == ("crm", "invoicing")
    assert issued["lastUsedAt"] is None
    (kept,) = await desk.running.rows(company.id, "select last_used_at, version from service_credential")
    assert kept["last_used_at"] is not None
    assert kept["version"] == 1


@pytest.mark.parametrize(
    ("bound", "wrong"),
    [
        ("allowedAddresses", ["203.0.113.300"]),
        ("allowedAddresses", ["everywhere"]),
        ("allowedOrigins", ["http://shop.example"]),
        ("allowedOrigins", ["https://shop.example/path"]),
        ("allowedOrigins", ["*"]),
        ("modules", ["CRM"]),
    ],
)
async def test_bounds_that_mean_nothing_are_refused(desk: Desk, company: Company, bound: str, wrong: list[str]) -> None:
    refused = await issue(desk, company, "serviceCredential { id }", **{bound: wrong})

    assert [(one["code"], one["field"]) for one in refused["userErrors"]] == [("VALIDATION", [bound])]


async def test_a_keys_access_token_does_not_outlive_it(desk: Desk, company: Company) -> None:
    """IDN-6"""
    soon = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()  # noqa: TID251 outside the platform
    issued = await issue(desk, company, "serviceCredential { secret }", expiresAt=soon)

    claims = desk.claims((await desk.post("/auth/key", key=issued["serviceCredential"]["secret"])).body)

    assert claims["exp"] - claims["iat"] <= 61


async def test_a_suspended_tenants_keys_are_worth_nothing(desk: Desk, company: Company) -> None:
    operator = await desk.company(is_operator=True)
    child = await desk.company(operator=operator.id)
    issued = await issue(desk, child, "serviceCredential { secret }")
    boss = await desk.principal(operator)
    key = issued["serviceCredential"]["secret"]
    assert (await desk.post("/auth/key", key=key)).status == 200

    await desk.running.command(boss, "suspendTenant", "tenant { id }", tenantId=str(child.id), reason="test")

    assert (await desk.post("/auth/key", key=key)).status == 401


async def test_a_wrong_key_takes_as_long_as_one_that_nobody_has(desk: Desk, company: Company) -> None:
    """Threat 26: what is compared takes no longer where more of it is right."""
    issued = await issue(desk, company, "serviceCredential { secret }")
    key = issued["serviceCredential"]["secret"]
    prefix, tenant, secret = key[:12], key[13:45], key[46:]
    late = f"{prefix}_{tenant}_{secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}"
    unknown = f"mwz_00000000_{tenant}_{secret}"

    async def work(sent: str) -> float:
        start = time.process_time()
        assert (await desk.post("/auth/key", key=sent)).status == 401
        return time.process_time() - start

    times = {sent: min([await work(sent) for _ in range(15)]) for sent in (late, unknown)}

    assert 0.4 < times[late] / times[unknown] < 2.5
