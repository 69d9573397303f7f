"""The yardstick of `bench events`: the same two transactions as plain SQL, by hand."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from benchmarks.events_world import World
from shared.clock import new_id

_SESSIONS = 8
_EVENT = """
    with key as (
        insert into kit.outbox_key as k (tenant_id, key, sequence) values ($1, $2, 1)
        on conflict (tenant_id, key) do update set sequence = k.sequence + 1 returning sequence
    )
    insert into kit.outbox (tenant_id, event_id, type, envelope)
    select $1, $3, 'bare', jsonb_build_object('sequence', sequence) from key
"""
_TABLE = """
    create table if not exists bare (tenant_id uuid, id uuid, name text, primary key (tenant_id, id));
    grant select, insert on bare to mewayz_{slug}_app
"""
_INBOX = """
    insert into kit.inbox_key as k (tenant_id, key, last_sequence) values ($1, $2, 1)
    on conflict (tenant_id, key) do update set last_sequence = excluded.last_sequence
    where k.last_sequence < excluded.last_sequence
"""


async def bare_sql(world: World, seconds: float) -> float:
    """Return pairs of transactions a second: a row with its event in CRM's database, an effect in Projects'."""
    for module in (world.crm, world.projects):
        owner = await _connect(module.owner_url, module.slug)
        await owner.execute(_TABLE.format(slug=module.slug))
        await owner.close()
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_session(world, seconds, number)) for number in range(_SESSIONS)]
    for module in (world.crm, world.projects):  # with a table that is open to all tenants the module would not run
        owner = await _connect(module.owner_url, module.slug)
        await owner.execute("drop table bare")
        await owner.close()
    return sum(task.result() for task in running) / seconds


async def _session(world: World, seconds: float, number: int) -> int:
    crm = await _connect(world.crm.app_url, "crm")
    projects = await _connect(world.projects.app_url, "projects")
    tenant = world.crm.tenants[number % len(world.crm.tenants)]
    done, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        await _pair(crm, projects, tenant)
        done += 1
    for connection in (crm, projects):
        await connection.close()
    return done


async def _pair(crm: Any, projects: Any, tenant: UUID) -> None:
    one = new_id(datetime.now(UTC))  # noqa: TID251 outside the platform
    key = f"Bare/{one}"
    async with crm.transaction():
        await crm.execute(f"set local app.tenant_id = '{tenant}'")
        await crm.execute("select 1 from customer where id = $1", one)
        await crm.execute("insert into bare (tenant_id, id, name) values ($1, $2, 'Bare')", tenant, one)
        await crm.execute(_EVENT, tenant, key, one)
    async with projects.transaction():
        await projects.execute(f"set local app.tenant_id = '{tenant}'")
        await projects.execute(_INBOX, tenant, key)
        await projects.execute("insert into bare (tenant_id, id, name) values ($1, $2, 'Bare')", tenant, one)


async def _connect(url: str, slug: str) -> "asyncpg.Connection[Any]":
    return await asyncpg.connect(url, server_settings={"search_path": f"{slug},kit"})
