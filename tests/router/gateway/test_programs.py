"""Keys of programs at the gateway: how long they are believed, from where, for which modules (IDN-6; threat 26)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import orjson
import pytest

from shared.clock import SystemClock
from shared.wire.principal import Principal
from shared.wire.token import sign_access
from tests.router.gateway.test_revocations import listening, publish, revoked
from tests.router.gateway.world import ISSUER, TENANT, World, world
from tests.services import NatsServer
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
KEY = UUID("0190a0e4-0000-7000-8000-0000000000ce")


@dataclass
class Keys:
    """Identity's side: what it says of the key `mwz_good`; of every other one that it is none."""

    world: World
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    modules: tuple[str, ...] = ("*",)
    is_good: bool = True
    asked: list[str] = field(default_factory=list[str])

    def __call__(self, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        self.asked.append(orjson.loads(body)["key"])
        if not self.is_good or self.asked[-1] != "mwz_good":
            return 401, [], b'{"errors":[]}'
        who = Principal(tenant=TENANT, user=KEY, permissions=("*",), modules=self.modules)
        now = SystemClock().now()
        token = sign_access(self.world.identity_key, who, issuer=ISSUER, roles=(), plan="FREE", now=now)
        return 200, [], orjson.dumps({"accessToken": token, **self.facts})

    async def ask(self, key: str = "mwz_good", query: str = "{ tenant }", **headers: str) -> tuple[int, Any]:
        return await self.world.graphql(query, token=key, headers=headers)


@asynccontextmanager
async def keys(tmp_path: Path, **settings: Any) -> AsyncIterator[Keys]:
    async with world(tmp_path, **settings) as made:
        here = Keys(made)
        made.identity.routes["/auth/key"] = here
        await made.start()
        yield here


async def test_a_key_is_asked_about_once_and_nobody_else_can_ask(tmp_path: Path) -> None:
    async with keys(tmp_path, key_kept_unheard_s=60) as here:
        answers = [await here.ask() for _ in range(3)]
        outside = await here.world.post(b'{"key":"mwz_good"}', "/auth/key", token=None)

    assert [body["data"]["tenant"] for _, body in answers] == [str(TENANT)] * 3
    assert here.asked == ["mwz_good"]
    assert outside.status == 404


async def test_without_events_a_revoked_key_is_dead_within_a_second(tmp_path: Path) -> None:
    async with keys(tmp_path, key_kept_unheard_s=0.1) as here:
        assert (await here.ask())[0] == 200
        here.is_good = False
        with anyio.fail_after(PATIENCE_S):
            while (await here.ask())[0] == 200:  # noqa: ASYNC110 time passes
                await anyio.sleep(0.02)


async def test_a_revoked_key_is_dead_when_its_event_is_there(tmp_path: Path, nats_server: NatsServer) -> None:
    """Threat 26"""
    async with listening(tmp_path, nats_server) as (made, admin):
        here = made.identity.routes["/auth/key"] = Keys(made)
        assert (await here.ask())[0] == 200
        here.is_good = False
        for _ in range(3):
            assert (await here.ask())[0] == 200, "believed without being asked about"
        assert len(here.asked) == 1

        await publish(admin, revoked(KEY))

        with anyio.fail_after(PATIENCE_S):
            while (answer := await here.ask())[0] == 200:  # noqa: ASYNC110 another process tells
                await anyio.sleep(0.005)
        assert answer == await made.graphql("{ tenant }", token=None)


async def test_a_key_counts_from_its_addresses_and_pages_only(tmp_path: Path) -> None:
    """IDN-6"""
    async with keys(tmp_path, key_kept_unheard_s=0) as here:
        statuses: list[int] = []
        for facts in (
            {"addresses": ["127.0.0.0/8"]},
            {"addresses": ["10.0.0.0/8", "2001:db8::/32"]},
            {"origins": ["https://shop.example"]},
        ):
            here.facts = facts
            statuses.append((await here.ask())[0])
        statuses.append((await here.ask(origin="https://shop.example"))[0])
        statuses.append((await here.ask(origin="https://shop.example.evil"))[0])
        here.facts = {"addresses": ["10.0.0.0/8"]}
        refused = await here.ask()
        nobody = await here.world.graphql("{ tenant }", token=None)

    assert statuses == [200, 401, 401, 200, 401]
    assert refused == nobody, "no hint that the key is good elsewhere"


async def test_a_key_reaches_its_modules_only(tmp_path: Path) -> None:
    """IDN-6"""
    async with keys(tmp_path) as here:
        here.modules = ("crm",)

        _, body = await here.ask(query="{ tenant deal(id: 1) { name invoices } }")

    assert body["data"] == {"tenant": str(TENANT), "deal": {"name": "Deal 1", "invoices": None}}
    assert [error["extensions"] for error in body["errors"]] == [{"code": "NOT_ENTITLED", "module": "invoicing"}]
    assert here.world.invoicing.tokens == []
    assert here.world.crm.tokens[0].principal.modules == ("crm",)


async def test_too_many_wrong_keys_from_an_address_are_429_and_good_ones_in_use_go_on(tmp_path: Path) -> None:
    """Threat 26"""
    async with keys(tmp_path, wrong_keys_per_minute=10, key_kept_unheard_s=60) as here:
        assert (await here.ask())[0] == 200
        tries = [await here.ask(f"mwz_{number}") for number in range(1000)]
        reply = await here.world.post(b'{"query":"{ tenant }"}', token="mwz_another")
        good = await here.ask()

    assert [status for status, _ in tries[:10]] == [401] * 10
    assert {status for status, _ in tries[10:]} == {429}
    assert len(here.asked) == 11, "identity is not even asked"
    assert 0 < int(reply.headers[b"retry-after"]) <= 60
    assert good[0] == 200
