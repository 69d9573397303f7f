"""Backups: what is restored is what was backed up, row by row, and one tenant's restore leaves the others alone."""

from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from mewayz.backup import WrongBackup, backup_all, backup_tenant, fingerprint, restore_all, restore_tenant
from mewayz.folders import Folders
from mewayz.passwords import Passwords
from mewayz.servers.databases import make_database
from shared.database.migrate import migrate
from shared.module import load

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]
A, B = UUID(int=0xA), UUID(int=0xB)
_ROW = """
    insert into crm.customer (tenant_id, id, name, kind, lifecycle, credit_flag, version, created_at, updated_at)
    values ($1, $2, $3, 'COMPANY', 'ACTIVE', false, 1, now(), now())
"""


class Fresh:
    """A PostgreSQL with CRM's database in it and no module running."""

    def __init__(self, admin_url: str, folders: Folders) -> None:
        self.admin_url = admin_url
        self.passwords = Passwords(folders.secrets)
        self.url = ""

    async def make(self) -> None:
        connection = await asyncpg.connect(self.admin_url)
        await connection.execute("drop database if exists mewayz_crm with (force)")
        await connection.close()
        made = await make_database(self.admin_url, "crm", self.passwords)
        await migrate("crm", load("crm").migrations, made.owner_url)
        self.url = made.owner_url.split("&role=")[0].split("?role=")[0]

    async def add(self, tenant: UUID, *names: str) -> None:
        connection = await asyncpg.connect(self.url)
        for name in names:
            await connection.execute(_ROW, tenant, UUID(int=hash(name) & (1 << 128) - 1), name)
        await connection.close()

    async def names(self, tenant: UUID) -> list[str]:
        connection = await asyncpg.connect(self.url)
        rows = await connection.fetch("select name from crm.customer where tenant_id = $1 order by name", tenant)
        await connection.close()
        return [row["name"] for row in rows]


@pytest.fixture
async def crm(tmp_path: Path) -> Fresh:
    """CRM's database on a server of its own: other tests' modules are not to lose theirs."""
    from mewayz.folders import folders_of
    from mewayz.servers.postgres import Postgres

    folders = folders_of(tmp_path / "data")
    folders.create()
    server = Postgres(folders, Passwords(folders.secrets))
    await server.start()
    fresh = Fresh(server.admin_url, folders)
    await fresh.make()
    await fresh.add(A, "one", "two")
    await fresh.add(B, "three")
    yield fresh  # pyright: ignore[reportReturnType]
    await server.stop()


async def test_a_platform_comes_back_row_by_row(crm: Fresh, tmp_path: Path) -> None:
    before = await fingerprint(crm.url)
    await backup_all(crm.admin_url, ["crm"], crm.passwords, tmp_path / "all.tar")
    await crm.add(A, "written after the backup")

    await restore_all(crm.admin_url, crm.passwords, tmp_path / "all.tar")

    assert await fingerprint(crm.url) == before
    policies = "select count(*) from pg_policy"
    connection = await asyncpg.connect(crm.url)
    assert await connection.fetchval(policies) > 10
    await connection.close()


async def test_one_tenant_comes_back_and_the_other_is_untouched(crm: Fresh, tmp_path: Path) -> None:
    await backup_tenant(crm.admin_url, ["crm"], crm.passwords, A, tmp_path / "a.tar")
    await crm.add(A, "written after the backup")
    await crm.add(B, "B's own, later")

    await restore_tenant(crm.admin_url, crm.passwords, tmp_path / "a.tar")

    assert await crm.names(A) == ["one", "two"]
    assert await crm.names(B) == ["B's own, later", "three"]


async def test_a_damaged_or_wrong_file_is_refused_before_anything_is_touched(crm: Fresh, tmp_path: Path) -> None:
    target = tmp_path / "a.tar"
    await backup_tenant(crm.admin_url, ["crm"], crm.passwords, A, target)
    content = bytearray(target.read_bytes())
    spot = content.index(b"PGCOPY") + 8
    content[spot] ^= 1
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(content)

    for wrong, restore in ((damaged, restore_tenant), (target, restore_all), (tmp_path / "absent.tar", restore_all)):
        with pytest.raises(WrongBackup):
            await restore(crm.admin_url, crm.passwords, wrong)

    assert await crm.names(A) == ["one", "two"]
