"""Backups: what is restored is what was backed up, row by row, and one tenant's restore leaves the others alone."""

import asyncio
import contextlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import anyio
import asyncpg
import pytest

from mewayz.backup import WrongBackup, backup_all, backup_tenant, fingerprint
from mewayz.folders import Folders, folders_of
from mewayz.passwords import Passwords
from mewayz.restore import fit_events, restore_all, restore_tenant
from mewayz.servers.databases import make_database
from mewayz.servers.nats import Nats
from mewayz.servers.postgres import Postgres
from mewayz.servers.streams import connect, make_streams
from shared.database.migrate import migrate
from shared.events.stream import ids_on_stream
from shared.module import load
from shared.wire.envelope import event_subject
from tests.waiting import jetstream

pytestmark = pytest.mark.anyio
A, B = UUID(int=0xA), UUID(int=0xB)
_ROW = """
    insert into crm.customer (tenant_id, id, name, kind, lifecycle, credit_flag, version, created_at, updated_at)
    values ($1, $2, $3, 'COMPANY', 'ACTIVE', false, 1, now(), now())
"""


_SENT = """
    insert into kit.outbox_sent (id, tenant_id, event_id, type, envelope, created_at)
    values (nextval('kit.outbox_id_seq'), $1, $2, 'customer.created', '{}', now())
"""
_NEXT = """
    insert into kit.outbox_key as k (tenant_id, key, sequence) values ($1, 'Deal/1', 1)
    on conflict (tenant_id, key) do update set sequence = k.sequence + 1 returning sequence
"""
_HEARD = """
    insert into kit.inbox_key (tenant_id, key, last_sequence) values ($1, 'Deal/1', $2)
    on conflict (tenant_id, key) do update set last_sequence = excluded.last_sequence
"""


class Fresh:
    """A PostgreSQL with CRM's database in it and no module running."""

    def __init__(self, server: Postgres, folders: Folders) -> None:
        self.server = server
        self.folders = folders
        self.admin_url = server.admin_url
        self.passwords = Passwords(folders.secrets)
        self.url = ""

    async def make(self, slug: str = "crm") -> str:
        made = await make_database(self.admin_url, slug, self.passwords)
        await migrate(slug, load(slug).migrations, made.owner_url)
        return made.owner_url.split("&role=")[0].split("?role=")[0]

    async def add(self, tenant: UUID, *names: str) -> None:
        connection = await asyncpg.connect(self.url)
        for name in names:
            await connection.execute(_ROW, tenant, uuid5(tenant, name), name)
        await connection.close()

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        connection = await asyncpg.connect(self.url)
        rows = await connection.fetch(statement, *values)
        await connection.close()
        return [row[0] for row in rows]

    async def names(self, tenant: UUID) -> list[str]:
        return await self.fetch("select name from crm.customer where tenant_id = $1 order by name", tenant)

    async def rows(self) -> dict[str, Any]:
        connection = await asyncpg.connect(self.url)
        found = await fingerprint(connection)
        await connection.close()
        return found


@pytest.fixture
async def crm(tmp_path: Path) -> AsyncIterator[Fresh]:
    """CRM's database on a server of its own: other tests' modules are not to lose theirs."""
    folders = folders_of(tmp_path / "data")
    folders.create()
    server = Postgres(folders, Passwords(folders.secrets))
    await server.start()
    fresh = Fresh(server, folders)
    fresh.url = await fresh.make()
    await fresh.add(A, "one", "two")
    await fresh.add(B, "three")
    yield fresh
    await server.stop()


@contextlib.asynccontextmanager
async def at_work(work: Any) -> AsyncIterator[None]:
    """Do `work` over and over meanwhile."""

    async def go_on() -> None:
        while True:
            await work()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go_on)
        yield
        tasks.cancel_scope.cancel()


async def test_a_platform_comes_back_row_by_row(crm: Fresh, tmp_path: Path) -> None:
    before = await crm.rows()
    await backup_all(crm.admin_url, ["crm"], crm.passwords, tmp_path / "all.tar")
    await crm.add(A, "written after the backup")

    await restore_all(crm.admin_url, crm.passwords, tmp_path / "all.tar")

    assert await crm.rows() == before
    assert (await crm.fetch("select count(*) from pg_policy"))[0] > 10
    assert await crm.fetch("select datname from pg_database where starts_with(datname, 'before_')") == []


async def test_a_backup_taken_while_modules_write_can_be_restored(crm: Fresh, tmp_path: Path) -> None:
    """Rows, and what they are compared with, were read one after the other: no backup of a busy platform came back"""
    writer = await asyncpg.connect(crm.url)
    numbers = iter(range(1_000_000))

    async def write() -> None:
        await writer.execute(_ROW, A, UUID(int=next(numbers)), "busy")

    await write()
    async with at_work(write):
        await asyncio.to_thread(anyio.run, backup_all, crm.admin_url, ["crm"], crm.passwords, tmp_path / "all.tar")
    await write()
    await writer.close()

    await restore_all(crm.admin_url, crm.passwords, tmp_path / "all.tar")

    assert 0 < (await crm.names(A)).count("busy") < next(numbers)


async def test_no_module_comes_back_knowing_an_event_that_its_publisher_has_not_sent(
    crm: Fresh, tmp_path: Path
) -> None:
    """The publisher would give that sequence again, and the event would be dropped as known: lost without a trace"""
    projects_url = await crm.make("projects")
    publisher, hearer = await asyncpg.connect(crm.url), await asyncpg.connect(projects_url)

    async def happen() -> None:
        number = await publisher.fetchval(_NEXT, A)
        await hearer.execute(_HEARD, A, number)

    target, slugs = tmp_path / "all.tar", ["crm", "projects"]
    await happen()
    async with at_work(happen):
        await asyncio.to_thread(anyio.run, backup_all, crm.admin_url, slugs, crm.passwords, target)
    await publisher.close()
    await hearer.close()

    await restore_all(crm.admin_url, crm.passwords, target)

    (sent,) = await crm.fetch("select sequence from kit.outbox_key where tenant_id = $1", A)
    connection = await asyncpg.connect(projects_url)
    heard = await connection.fetchval("select last_sequence from kit.inbox_key where tenant_id = $1", A)
    await connection.close()
    assert 0 < heard <= sent


async def test_one_tenant_comes_back_and_the_other_is_untouched(crm: Fresh, tmp_path: Path) -> None:
    await backup_tenant(crm.admin_url, ["crm"], crm.passwords, A, tmp_path / "a.tar")
    await crm.add(A, "written after the backup")
    await crm.add(B, "B's own, later")

    await restore_tenant(crm.admin_url, crm.passwords, tmp_path / "a.tar", A)

    assert await crm.names(A) == ["one", "two"]
    assert await crm.names(B) == ["B's own, later", "three"]


async def test_a_tenants_events_come_back_beside_others_that_have_their_numbers(crm: Fresh, tmp_path: Path) -> None:
    """Everything was brought back to an earlier day, then a tenant to a later one: the relay could send nothing more"""
    await backup_all(crm.admin_url, ["crm"], crm.passwords, tmp_path / "earlier.tar")
    events = [UUID(int=number) for number in range(100, 103)]
    for event in events:
        await crm.fetch(_SENT, A, event)
    await backup_tenant(crm.admin_url, ["crm"], crm.passwords, A, tmp_path / "later.tar")
    await restore_all(crm.admin_url, crm.passwords, tmp_path / "earlier.tar")
    await crm.fetch(_SENT, B, UUID(int=200))

    await restore_tenant(crm.admin_url, crm.passwords, tmp_path / "later.tar", A)
    await crm.fetch(_SENT, A, UUID(int=103))

    sent = await crm.fetch("select event_id from kit.outbox_sent where tenant_id = $1 order by id", A)
    assert sent == [*events, UUID(int=103)]


async def test_a_damaged_or_wrong_file_is_refused_before_anything_is_touched(crm: Fresh, tmp_path: Path) -> None:
    target = tmp_path / "a.tar"
    await backup_tenant(crm.admin_url, ["crm"], crm.passwords, A, target)
    content = bytearray(target.read_bytes())
    spot = content.index(b"PGCOPY") + 8
    content[spot] ^= 1
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(content)

    for wrong in (damaged, tmp_path / "absent.tar", tmp_path / "data" / "VERSION"):
        with pytest.raises(WrongBackup):
            await restore_tenant(crm.admin_url, crm.passwords, wrong, A)
    with pytest.raises(WrongBackup, match="no backup of a platform"):
        await restore_all(crm.admin_url, crm.passwords, target)
    with pytest.raises(WrongBackup, match="is a backup of tenant"):
        await restore_tenant(crm.admin_url, crm.passwords, target, B)

    assert await crm.names(A) == ["one", "two"]


async def test_what_does_not_come_back_as_it_was_changes_nothing(crm: Fresh, tmp_path: Path) -> None:
    for kind in ("all", "a"):
        target = tmp_path / f"{kind}.tar"
        if kind == "all":
            await backup_all(crm.admin_url, ["crm"], crm.passwords, target)
        else:
            await backup_tenant(crm.admin_url, ["crm"], crm.passwords, A, target)
        promise_another_row(target, "crm.customer")
    await crm.add(A, "written after the backup")
    before = await crm.rows()

    with pytest.raises(WrongBackup, match="nothing was restored"):
        await restore_all(crm.admin_url, crm.passwords, tmp_path / "all.tar")
    with pytest.raises(WrongBackup, match="nothing was restored"):
        await restore_tenant(crm.admin_url, crm.passwords, tmp_path / "a.tar", A)

    assert await crm.rows() == before


def promise_another_row(target: Path, table: str) -> None:
    """Let a backup say that it holds one row more."""
    with tarfile.open(target) as tar:
        files = {entry.name: (tar.extractfile(entry) or io.BytesIO()).read() for entry in tar}
    manifest = json.loads(files["manifest.json"])
    told = manifest["modules"]["crm"][table]
    (told["rows"] if isinstance(told, dict) else told)[0] += 1
    files["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(target, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


async def test_the_stream_holds_what_was_sent_by_then_and_nothing_of_what_is_undone(crm: Fresh, tmp_path: Path) -> None:
    """What came after the backup would reach modules that don't know of it, and have the sequences of what comes next"""
    nats = Nats(crm.folders, crm.passwords)
    await nats.start()
    kept, undone = UUID(int=1), UUID(int=2)
    await crm.fetch(_SENT, A, kept)
    async with await connect(nats.admin_url) as client:
        await make_streams(client)
        for event in (kept, undone):
            subject = event_subject(str(A), "customer.created")
            await jetstream(client).publish(subject, b"{}", headers={"Nats-Msg-Id": str(event)})
        await backup_all(crm.admin_url, ["crm"], crm.passwords, tmp_path / "all.tar")
        await crm.fetch(_SENT, A, undone)

        await restore_all(crm.admin_url, crm.passwords, tmp_path / "all.tar")
        assert await fit_events(client, crm.admin_url, crm.passwords, ["crm"]) == 1

        assert await ids_on_stream(client) == {str(kept)}
    await nats.stop()
    await crm.server.stop()
    command = [sys.executable, "-m", "mewayz", "db", "restore", str(tmp_path / "all.tar")]
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            [*command, "--data", str(crm.folders.data)], capture_output=True, text=True, check=False, timeout=60
        )
    )
    assert done.stdout == "1 modules restored, 1 events on the stream. Next: ./justw up\n", done.stderr
