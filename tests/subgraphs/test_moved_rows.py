"""Migrations that move rows: what was there before is there after, of every tenant."""

import shutil
from pathlib import Path
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


async def test_projects_keeps_whom_a_merged_customer_stands_for(tmp_path: Path) -> None:
    migrations = load("projects").migrations
    first = shutil.copytree(
        migrations, tmp_path / "first", ignore=lambda *_: ["0002_customer_aliases.py", "__pycache__"]
    )
    folders = folders_of(tmp_path / "data")
    folders.create()
    server = Postgres(folders, Passwords(folders.secrets))
    await server.start()
    try:
        urls = await make_database(server.admin_url, "projects", Passwords(folders.secrets))
        await migrate("projects", first, urls.owner_url)
        admin = await asyncpg.connect(server.admin_url, database="mewayz_projects")
        for tenant in (1, 2):
            await admin.execute(
                "insert into projects.known_customer (tenant_id, id, customer_id, name, survivor_id, version, created_at, updated_at)"
                " values ($1, $2, $2, 'Merged', $3, 1, now(), now()), ($1, $3, $3, 'Kept', null, 1, now(), now())",
                *(UUID(int=number) for number in (tenant, 10 + tenant, 20 + tenant)),
            )

        await migrate("projects", migrations, urls.owner_url)

        moved = await admin.fetch("select tenant_id, merged_id, survivor_id from projects.customer_alias order by 1")
        names = await admin.fetch("select name from projects.known_customer")
        await admin.close()
    finally:
        await server.stop()
    assert [tuple(row) for row in moved] == [
        (UUID(int=tenant), UUID(int=10 + tenant), UUID(int=20 + tenant)) for tenant in (1, 2)
    ]
    assert len(names) == 4
