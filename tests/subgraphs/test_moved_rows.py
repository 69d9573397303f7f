"""Migrations that change rows: what was there before is there after, of every tenant."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from mewayz.folders import folders_of
from mewayz.passwords import Passwords
from mewayz.servers.databases import make_database
from mewayz.servers.postgres import Postgres
from shared.database.migrate import migrate
from shared.module import load

pytestmark = pytest.mark.anyio
Connection = Any  # asyncpg's, which is generic for the type checker alone


@asynccontextmanager
async def before(
    slug: str, revision: str, folder: Path
) -> AsyncIterator[tuple[Connection, Callable[[], Awaitable[None]]]]:
    """Make a module's database as it was before a revision; yield a superuser's connection, and what migrates to today."""
    migrations = load(slug).migrations
    newer = [one.name for one in migrations.glob("[0-9]*.py") if one.name >= revision]
    older = shutil.copytree(migrations, folder / "older", ignore=lambda *_: [*newer, "__pycache__"])
    folders = folders_of(folder / "data")
    folders.create()
    server = Postgres(folders, Passwords(folders.secrets))
    await server.start()
    try:
        urls = await make_database(server.admin_url, slug, Passwords(folders.secrets))
        await migrate(slug, older, urls.owner_url)
        admin = await asyncpg.connect(server.admin_url, database=f"mewayz_{slug}")
        try:
            yield admin, lambda: migrate(slug, migrations, urls.owner_url)
        finally:
            await admin.close()
    finally:
        await server.stop()


async def test_projects_keeps_whom_a_merged_customer_stands_for(tmp_path: Path) -> None:
    async with before("projects", "0002", tmp_path) as (admin, migrate_on):
        for tenant in (1, 2):
            await admin.execute(
                "insert into projects.known_customer (tenant_id, id, customer_id, name, survivor_id, version, created_at, updated_at)"
                " values ($1, $2, $2, 'Merged', $3, 1, now(), now()), ($1, $3, $3, 'Kept', null, 1, now(), now())",
                *(UUID(int=number) for number in (tenant, 10 + tenant, 20 + tenant)),
            )

        await migrate_on()

        moved = await admin.fetch("select tenant_id, merged_id, survivor_id from projects.customer_alias order by 1")
        names = await admin.fetch("select name from projects.known_customer")
    assert [tuple(row) for row in moved] == [
        (UUID(int=tenant), UUID(int=10 + tenant), UUID(int=20 + tenant)) for tenant in (1, 2)
    ]
    assert len(names) == 4


async def test_built_in_roles_may_read_what_their_commands_name(tmp_path: Path) -> None:
    """ADR 0025: who could log time before can do it after"""
    async with before("identity", "0008", tmp_path) as (admin, migrate_on):
        roles = (("Member", "crm.deal.read projects.time.log@own", True), ("Ours", "projects.time.log@own", False))
        for tenant in (1, 2):
            for number, role in enumerate((*roles, ("HR", "hr.* projects.project.read projects.time.log@own", True))):
                await admin.execute(
                    "insert into identity.access_role (tenant_id, id, name, permissions, built_in, scope_rule, active, version,"
                    " created_at, updated_at) values ($1, $2, $3, $4, $5, 'TENANT', true, 1, now(), now())",
                    *(UUID(int=tenant), UUID(int=10 * tenant + number), *role),
                )

        await migrate_on()

        kept = await admin.fetch("select name, permissions from identity.access_role order by tenant_id, id")
        (forced,) = await admin.fetch("select relforcerowsecurity from pg_class where relname = 'access_role'")
    added = "projects.project.read projects.project_task.read"
    assert [tuple(row) for row in kept] == 2 * [
        ("Member", f"crm.deal.read projects.time.log@own {added}"),
        ("Ours", "projects.time.log@own"),
        ("HR", "hr.* projects.project.read projects.time.log@own projects.project_task.read identity.access_role.read"),
    ]
    assert forced["relforcerowsecurity"]
