"""A stream whose file was damaged: the audit sees what is gone, the refill brings it back, nothing is applied twice."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import asyncpg
import pytest

from benchmarks.events_world import World, known, register, running
from mewayz.progress import Trouble
from mewayz.runtime.auditing import Auditing
from mewayz.servers.streams import connect
from shared.clock import SystemClock
from shared.events.audit import Audit, audit, refill
from shared.events.relay import FORGET
from shared.events.stream import ids_on_stream
from shared.wire.control import Operate
from tests.modules import until
from tests.waiting import has_sent_all

_LONG_AGO = """
    insert into kit.outbox_sent (id, tenant_id, event_id, type, envelope, created_at, sent_at)
    values ($1, $2, $3, $4, '{}', now() - interval '60 days', now() - interval '60 days')
"""
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120), pytest.mark.xdist_group("outages")]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Servers whose stream this test damages."""
    async with World.started(tmp_path) as started:
        yield started


async def audited(world: World) -> Audit:
    """Compare what CRM and Projects have sent with the stream."""
    async with await connect(world.nats.admin_url) as client:
        return await audit({one.slug: one.relay_url for one in (world.crm, world.projects)}, client)


async def cut_the_end_off(world: World, folder: Path) -> None:
    """Cut the newest third off the stream's last file, as a disk that lies about its writes does."""
    await world.nats.stop()
    newest = max((folder / "nats").rglob("EVENTS/msgs/*.blk"))
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) * 2 // 3])
    await world.nats.start()


async def test_what_a_damaged_stream_has_lost_is_seen_and_published_again(world: World, tmp_path: Path) -> None:
    """events.md, H1: the truth is PostgreSQL; identity is the event's, never its place on the stream"""
    applied: list[str] = []
    tenant = world.crm.tenants[0]
    async with running(world.crm, None) as crm:
        await known(crm, [tenant])
        customers = [await register(crm, tenant) for _ in range(60)]
        async with running(world.projects, applied.append):

            async def all_applied() -> bool:
                return len(applied) == len(customers)

            await until(all_applied)
            await until(partial(has_sent_all, world.crm.relay_url))
            assert (await audited(world)).faults == []
    await cut_the_end_off(world, tmp_path)

    found = await audited(world)
    assert 0 < found.missing < 60
    assert found.faults

    async with running(world.crm, None) as crm:  # places of the stream are given a second time
        customers += [await register(crm, tenant) for _ in range(5)]
        await until(partial(has_sent_all, world.crm.relay_url))
    async with await connect(world.nats.admin_url) as client:
        urls = {one.slug: one.relay_url for one in (world.crm, world.projects)}
        published = await refill(urls, client, await audit(urls, client))

    assert published == found.missing
    assert (await audited(world)).missing == 0
    async with running(world.projects, applied.append):
        await until(all_applied)
    assert sorted(applied) == sorted(customers), "applied once each"


async def test_damage_is_told_without_being_asked(world: World, tmp_path: Path) -> None:
    """events.md, H1: the auditor runs hourly and at each start of NATS"""
    async with running(world.crm, None) as crm:
        await known(crm, world.crm.tenants[:1])
        for _ in range(60):
            await register(crm, world.crm.tenants[0])
        await until(partial(has_sent_all, world.crm.relay_url))
    told: list[Trouble] = []

    async def operate(_: Operate) -> Any:
        found = await audited(world)
        return {"faults": found.faults, "modules": {slug: {"sent": one.sent} for slug, one in found.modules.items()}}

    auditing = Auditing(operate, tell=told.append, clock=SystemClock(), every_s=3600, soon_s=0.5)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(auditing.run)

        async def first() -> bool:
            return auditing.last is not None

        await until(first)
        assert auditing.last is not None
        assert (auditing.last.sent, auditing.last.faults, told) == (60, [], [])

        await cut_the_end_off(world, tmp_path)
        auditing.nats_started()

        async def second() -> bool:
            return bool(told)

        await until(second)
        tasks.cancel_scope.cancel()
    assert told[0].message.startswith("The stream is damaged: ")
    assert auditing.last.faults


async def test_tenants_of_long_ago_come_back_to_a_stream_that_was_lost(world: World) -> None:
    """contracts.md, "Databases": a module installed late knows them all; their events had been forgotten after 31 days"""
    tenant, created = world.crm.tenants[0], UUID(int=7)
    relay = await asyncpg.connect(world.crm.relay_url)
    for number, kind, event in ((1, "tenant.created", created), (2, "customer.created", UUID(int=8))):
        await relay.execute(_LONG_AGO, number, tenant, event, kind)

    for statement in FORGET:
        await relay.execute(statement)
    await relay.close()
    async with await connect(world.nats.admin_url) as client:
        urls = {"crm": world.crm.relay_url}
        found = await audit(urls, client)
        await refill(urls, client, found)

        async def is_back() -> bool:
            return str(created) in await ids_on_stream(client, "TENANTS")

        await until(is_back)
        again = await audit(urls, client)

    assert found.modules["crm"].missing == (created,)
    assert again.missing == 0
