"""Refusals as facts: every one is counted, and a flood of different ones makes few records (issue 5, "Bad input")."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from mewayz.servers.nats import GATEWAY, gateway_user
from mewayz.servers.streams import connect as connect_admin
from router.gateway.commands.connection import Connection
from router.gateway.observe.audit import AuditTrail
from shared.clock import SystemClock, new_id
from shared.wire.jetstream import publish
from shared.wire.occasion import REFUSED
from shared.wire.principal import Principal
from tests.modules import until
from tests.router.gateway.shop import unheard
from tests.services import NatsServer
from tests.waiting import messages

pytestmark = pytest.mark.anyio
_FLOOD = 5_000


@pytest.fixture
async def trail(nats_server: NatsServer) -> AsyncIterator[AuditTrail]:
    """A trail that tells by the gateway's own user of a real NATS."""
    await nats_server.nats.allow(gateway_user())
    connection = Connection(nats_server.url, lambda: nats_server.nats.credentials(GATEWAY))
    made = AuditTrail(connection, SystemClock())

    async def nothing(*_: object) -> None:
        pass

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(connection.follow(nothing)), tasks.create_task(made.follow())]
        yield made
        for task in running:
            task.cancel()


async def test_what_was_told_and_not_acknowledged_is_told_once(
    trail: AuditTrail, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was busy for more than two seconds: the fact was on the stream, and told again under another id"""
    monkeypatch.setattr("router.gateway.observe.audit.publish", unheard(publish))
    tenants = [new_id(SystemClock().now()) for _ in range(2)]
    for tenant in tenants:
        trail.denied([{"extensions": {"code": "FORBIDDEN"}}], Principal(tenant=tenant))

    async def told(tenant: UUID) -> list[int]:
        async with await connect_admin(nats_server.admin_url) as admin:
            return [one["data"]["count"] for one in await messages(admin, f"evt.{tenant}.{REFUSED}")]

    async def both_told() -> bool:
        return all([await told(tenant) for tenant in tenants])

    await until(both_told)  # the second comes behind what is told of the first
    assert [await told(tenant) for tenant in tenants] == [[1], [1]]


async def test_a_flood_is_counted_whole_and_told_in_few_facts(trail: AuditTrail, nats_server: NatsServer) -> None:
    """A hundred different ones by themselves; what comes on top by tenant and code alone"""
    tenant = new_id(SystemClock().now())
    for number in range(_FLOOD):
        who = Principal(tenant=tenant, address=f"10.0.{number // 256}.{number % 256}")
        trail.denied([{"extensions": {"code": "FORBIDDEN"}}], who)
    told: dict[str, Any] = {}

    async def all_told() -> bool:
        async with await connect_admin(nats_server.admin_url) as admin:
            told.update({one["id"]: one for one in await messages(admin, f"evt.{tenant}.{REFUSED}")})
        return sum(one["data"]["count"] for one in told.values()) >= _FLOOD

    await until(all_told)
    assert sum(one["data"]["count"] for one in told.values()) == _FLOOD
    assert len(told) <= 101
    assert sorted(one["data"]["count"] for one in told.values())[-1] == _FLOOD - 100
