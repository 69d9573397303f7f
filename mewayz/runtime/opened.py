"""Modules' databases as an operator's job opens them: by each module's own roles."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from mewayz.runtime.orders import Task
from mewayz.servers.module_database import ModuleDatabase
from shared.clock import clock_from
from shared.database.engine import connect_app
from shared.database.transaction import Database

_MODULES = "select datname from pg_database where starts_with(datname, 'mewayz_')"
_TENANTS = "select tenant_id from kit.tenant order by slug"


async def modules_with_database(admin_url: str) -> list[str]:
    """Return the slugs of the modules that have a database, sorted."""
    connection = await asyncpg.connect(admin_url)
    try:
        rows = await connection.fetch(_MODULES)
    finally:
        await connection.close()
    return sorted(row["datname"].removeprefix("mewayz_") for row in rows)


async def known_tenants(urls: ModuleDatabase) -> list[UUID]:
    """Return the tenants that a module knows of, by slug. Reads as the relay role."""
    connection = await asyncpg.connect(urls.relay_url)
    try:
        return [row["tenant_id"] for row in await connection.fetch(_TENANTS)]
    finally:
        await connection.close()


@asynccontextmanager
async def open_app(task: Task, slug: str, urls: ModuleDatabase) -> AsyncGenerator[Database]:
    """Open a module's database as its app role sees it."""
    clock = clock_from(task.clock, test_data=task.test_data)
    database = Database(connect_app(urls.app_url, slug), slug, clock)
    try:
        yield database
    finally:
        await database.close()
