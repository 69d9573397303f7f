"""Refusals as facts: every one is counted, and a flood of different ones makes few records (issue 5, "Bad input")."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from mewayz.servers.nats import GATEWAY, gateway_user
from mewayz.servers.streams import connect as connect_admin
from router.gateway.commands.connection import Connection
from router.gateway.observe.audit import AuditTrail
from shared.clock import SystemClock, new_id
from shared.wire.occasion import REFUSED
from shared.wire.principal import Principal
from tests.modules import until
from tests.services import NatsServer

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


async def test_a_flood_is_counted_whole_and_told_in_few_facts(trail: AuditTrail, nats_server: NatsServer) -> None:
    """A hundred different ones by themselves; what comes on top by tenant and code alone"""
    tenant = new_id(SystemClock().now())
    for number in range(_FLOOD):
        who = Principal(tenant=tenant, address=f"10.0.{number // 256}.{number % 256}")
        trail.denied([{"extensions": {"code": "FORBIDDEN"}}], who)
    told: dict[str, Any] = {}

    async def all_told() -> bool:
        admin = await connect_admin(nats_server.admin_url)
        subscription = await admin.jetstream().subscribe(f"evt.{tenant}.{REFUSED}", ordered_consumer=True)
        try:
            while True:
                message = await subscription.next_msg(timeout=0.3)
                told[orjson.loads(message.data)["id"]] = orjson.loads(message.data)
        except TimeoutError:
            pass
        finally:
            await admin.close()
        return sum(one["data"]["count"] for one in told.values()) >= _FLOOD

    await until(all_told, 50)
    assert sum(one["data"]["count"] for one in told.values()) == _FLOOD
    assert len(told) <= 101
    assert sorted(one["data"]["count"] for one in told.values())[-1] == _FLOOD - 100
