"""Backup: all of a platform by pg_dump, or one tenant's rows by COPY; each file says what a restore must give again.

JetStream is not in a backup: the truth is PostgreSQL (events.md, H1). A restore empties the stream of events, and fills it
from the outboxes restored (restore.py).
"""

import hashlib
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import asyncpg

from mewayz.passwords import Passwords
from mewayz.servers.module_database import module_database
from mewayz.servers.postgres import binaries
from shared.errors import InvalidInput

VERSION = 2
MANIFEST = "manifest.json"
_TABLES = """
    select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name, n.nspname as schema, c.relname as table,
        array(
            select a.attname::text from pg_attribute a
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum
        ) as columns,
        exists (
            select from pg_attribute a where a.attrelid = c.oid and a.attname = 'id' and a.atttypid = 'bigint'::regtype
        ) as is_counted
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%' and c.relkind = 'r'
    order by 1
"""


class WrongBackup(InvalidInput):
    """The file is no backup of this kind, or it is damaged."""

    code = "WRONG_BACKUP"


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and its columns but for those that the database fills by itself."""

    schema: str
    table: str
    name: str  # both, quoted
    columns: tuple[str, ...]
    is_counted: bool  # its `id` is a number that the database gives, to all tenants' rows alike

    @property
    def has_tenants(self) -> bool:
        """Whether its rows are a tenant's each."""
        return "tenant_id" in self.columns

    def of_a_tenant(self) -> Self:
        """Return it without the numbers that other tenants' rows may have by the time of a restore."""
        return replace(self, columns=tuple(name for name in self.columns if not (self.is_counted and name == "id")))


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A module's database at one moment: what `connection` sees, and who names `id`."""

    url: str
    connection: "asyncpg.Connection[Any]"
    id: str


async def backup_all(admin_url: str, slugs: Sequence[str], passwords: Passwords, target: Path) -> dict[str, Any]:
    """Write every module's database into the tar file `target`; return the manifest: rows and hash a table.

    The modules may run: all are taken at one instant (see `_one_instant`).
    """
    modules: dict[str, Any] = {}
    with _draft(target) as draft:
        async with _one_instant(_urls(admin_url, slugs, passwords)) as snapshots:
            for slug, snapshot in snapshots.items():
                dump = draft / f"{slug}.dump"
                options = ("--format=custom", "--no-owner", f"--snapshot={snapshot.id}", f"--file={dump}")
                run_program("pg_dump", *options, f"--dbname={snapshot.url}")
                modules[slug] = await fingerprint(snapshot.connection)
        return _write(draft, target, {"kind": "platform", "modules": modules})


async def backup_tenant(
    admin_url: str, slugs: Sequence[str], passwords: Passwords, tenant: UUID, target: Path
) -> dict[str, Any]:
    """Write one tenant's rows of every module into the tar file `target`, all at one instant."""
    modules: dict[str, Any] = {}
    with _draft(target) as draft:
        async with _one_instant(_urls(admin_url, slugs, passwords)) as snapshots:
            for slug, snapshot in snapshots.items():
                (draft / slug).mkdir()
                owned = [one.of_a_tenant() for one in await tables_of(snapshot.connection) if one.has_tenants]
                for table in owned:
                    order = " order by id" if table.is_counted else ""
                    query = f"select {quoted(table.columns)} from {table.name} where tenant_id = $1{order}"  # noqa: S608 names of the catalog
                    await snapshot.connection.copy_from_query(
                        query, tenant, output=draft / slug / table.name, format="binary"
                    )
                modules[slug] = {
                    table.name: {
                        "columns": table.columns,
                        "rows": await table_fingerprint(snapshot.connection, table, tenant),
                    }
                    for table in owned
                }
        return _write(draft, target, {"kind": "tenant", "tenant": str(tenant), "modules": modules})


async def fingerprint(connection: "asyncpg.Connection[Any]") -> dict[str, Any]:
    """Return each table's number of rows and a hash that doesn't depend on their order: what a restore must give again."""
    return {table.name: await table_fingerprint(connection, table) for table in await tables_of(connection)}


async def table_fingerprint(
    connection: "asyncpg.Connection[Any]", table: Table, tenant: UUID | None = None
) -> list[Any]:
    """Return the number of a table's rows, of one tenant or of all, and their hash."""
    row = f"hashtextextended(row({quoted(table.columns)})::text, 0)"
    statement = f"select count(*), coalesce(sum({row}::numeric), 0)::text from {table.name}"  # noqa: S608 as above
    if tenant is None:
        (counted,) = await connection.fetch(statement)
    else:
        (counted,) = await connection.fetch(f"{statement} where tenant_id = $1", tenant)
    return list(counted)


async def tables_of(connection: "asyncpg.Connection[Any]") -> list[Table]:
    """Return the tables of a module's database, by name."""
    rows = await connection.fetch(_TABLES)
    return [Table(row["schema"], row["table"], row["name"], tuple(row["columns"]), row["is_counted"]) for row in rows]


def quoted(names: Iterable[str]) -> str:
    """Return names of columns as SQL reads them."""
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)


def admin_of(owner_url: str) -> str:
    """Return the URL as the administrator, whom row-level security lets through."""
    return owner_url.split("&role=")[0].split("?role=")[0]


def run_program(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs to its end. Raises WrongBackup with its last words."""
    done = subprocess.run([str(binaries() / program), *arguments], capture_output=True, check=False)
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise WrongBackup(f"{program} failed: {words[-1]}")


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _urls(admin_url: str, slugs: Sequence[str], passwords: Passwords) -> dict[str, str]:
    return {slug: admin_of(module_database(admin_url, slug, passwords).owner_url) for slug in slugs}


@asynccontextmanager
async def _one_instant(urls: Mapping[str, str]) -> AsyncGenerator[dict[str, _Snapshot]]:
    """Take a snapshot of each module's database, so that none holds the effect of an event that its publisher lacks.

    Otherwise a publisher restored would give the next event of that aggregate a sequence that its hearers know already,
    and they would drop it. So handlers are held up until all snapshots are taken: what they had applied by then was
    committed by its publisher before. Commands go on.
    """
    async with AsyncExitStack() as readers:
        reading = {slug: await readers.enter_async_context(_connected(url)) for slug, url in urls.items()}
        async with AsyncExitStack() as holders:
            for url in urls.values():
                holder = await holders.enter_async_context(_connected(url))
                await holders.enter_async_context(holder.transaction())
                await holder.execute("lock table kit.inbox_key in share mode")
            snapshots: dict[str, _Snapshot] = {}
            for slug, connection in reading.items():
                await readers.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
                number = await connection.fetchval("select pg_export_snapshot()")
                snapshots[slug] = _Snapshot(urls[slug], connection, number)
        yield snapshots


@asynccontextmanager
async def _connected(url: str) -> "AsyncGenerator[asyncpg.Connection[Any]]":
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@contextmanager
def _draft(target: Path) -> Generator[Path]:
    """Give a folder beside `target`, which only we can read, for what goes into it."""
    with tempfile.TemporaryDirectory(prefix=".mewayz-backup-", dir=target.absolute().parent) as folder:
        yield Path(folder)


def _write(draft: Path, target: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    hashes = {str(path.relative_to(draft)): file_hash(path) for path in files}
    manifest = {**manifest, "version": VERSION, "files": hashes}
    (draft / MANIFEST).write_text(json.dumps(manifest))
    packed = draft / "packed.tar"
    with os.fdopen(os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for path in (draft / MANIFEST, *files):
                tar.add(path, str(path.relative_to(draft)), filter=_anonymous)
        file.flush()
        os.fsync(file.fileno())
    packed.rename(target)
    return manifest


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry
