"""NATS and PostgreSQL go away under two modules of the kit; facts wait, and come when they are back."""

import time
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from benchmarks.events_world import World, known, register, running
from tests.modules import until
from tests.waiting import has_sent_all

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(90), pytest.mark.xdist_group("outages")]


async def unsent(world: World) -> int:
    connection = await asyncpg.connect(world.crm.relay_url)
    try:
        return await connection.fetchval("select count(*) from kit.outbox")
    finally:
        await connection.close()


async def test_facts_wait_while_nats_or_the_database_is_away_and_come_once(tmp_path: Path) -> None:
    """events.md, G: mutations go on succeeding without NATS; consumers wait for the database without parking anything"""
    applied: list[str] = []
    async with (
        World.started(tmp_path) as world,
        running(world.crm, None) as crm,
        running(world.projects, applied.append),
    ):
        tenant = world.crm.tenants[0]
        await known(crm, [tenant])
        customers = [await register(crm, tenant)]

        async def all_applied() -> bool:
            return set(applied) == set(customers)

        all_sent = partial(has_sent_all, world.crm.relay_url)

        await until(all_applied)
        await until(all_sent)

        await world.nats.stop()
        customers += [await register(crm, tenant) for _ in range(5)]
        assert await unsent(world) == 5
        await world.nats.start()
        await until(all_applied)
        await until(all_sent)

        await world.postgres.stop()
        started = time.monotonic()
        with pytest.raises(Exception, match=r"refused|No such file|closed|terminat|shutting down|reset"):
            await register(crm, tenant)
        assert time.monotonic() - started < 10
        await world.postgres.start()
        customers += [await register(crm, tenant) for _ in range(5)]
        await until(all_applied)

    assert sorted(applied) == sorted(customers), "applied once each"
