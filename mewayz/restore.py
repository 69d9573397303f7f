"""Restore: what a backup holds comes back, is compared with what was backed up, and the stream of events is made to fit."""

import json
import shutil
import tarfile
import tempfile
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from nats.aio.client import Client

from mewayz.backup import (
    MANIFEST,
    VERSION,
    WrongBackup,
    admin_of,
    file_hash,
    fingerprint,
    run_program,
    table_fingerprint,
    tables_of,
)
from mewayz.passwords import Passwords
from mewayz.servers.databases import make_database
from mewayz.servers.module_database import module_database
from shared.events.audit import audit, refill
from shared.events.inbox import say_replayed
from shared.events.stream import forget_events, state_of_stream

_LAST = "kit.outbox"  # its rows get new numbers, which must be higher than those of the events sent before


async def restore_all(admin_url: str, passwords: Passwords, source: Path) -> dict[str, Any]:
    """Bring every module's database back to what the tar file `source` holds; return its manifest.

    The modules must not run. Raises WrongBackup, also where the rows restored are not those that were backed up; then
    every database is as it was.
    """
    with _opened(source, "platform") as (manifest, folder):
        begun: list[str] = []
        connection = await asyncpg.connect(admin_url)
        try:
            for slug, tables in manifest["modules"].items():
                await _set_aside(connection, slug)
                begun.append(slug)
                made = await make_database(admin_url, slug, passwords)
                await _fill(slug, admin_of(made.owner_url), folder / f"{slug}.dump", tables)
        except BaseException:
            for slug in begun:
                await _put_back(connection, slug)
            raise
        else:
            for slug in begun:
                await connection.execute(f'drop database if exists "{_aside(slug)}" with (force)')
        finally:
            await connection.close()
    return manifest


async def restore_tenant(admin_url: str, passwords: Passwords, source: Path, tenant: UUID) -> dict[str, Any]:
    """Replace one tenant's rows in every module by those of `source`; other tenants' rows are not touched.

    The modules must not run. Raises WrongBackup, also where the file is another tenant's, or the rows restored are not those
    that were backed up; then nothing has changed in any module.
    """
    with _opened(source, "tenant") as (manifest, folder):
        if manifest["tenant"] != str(tenant):
            raise WrongBackup(f"{source} is a backup of tenant {manifest['tenant']}, not of {tenant}.")
        async with AsyncExitStack() as stack:  # all are committed when all are right
            for slug, tables in manifest["modules"].items():
                url = admin_of(module_database(admin_url, slug, passwords).owner_url)
                connection = await asyncpg.connect(url)
                stack.push_async_callback(connection.close)
                await stack.enter_async_context(connection.transaction())
                try:
                    await _replace_rows(connection, tenant, tables, folder / slug)
                except asyncpg.PostgresError as error:
                    raise WrongBackup(f"The rows don't fit into the database of {slug}: {error}.") from error
    return manifest


async def fit_events(client: Client, admin_url: str, passwords: Passwords, slugs: list[str]) -> int:
    """Empty the stream of events, and fill it with what all modules have sent; return how many events that are.

    What happened after the backup is undone: it must not reach anybody, and its sequences are given anew. Modules drop
    what they know, and leave out effects outside the platform. They must not run.
    """
    await forget_events(client)
    relays = {slug: (await make_database(admin_url, slug, passwords)).relay_url for slug in slugs}
    events = await refill(relays, client, await audit(relays, client))
    for url in relays.values():
        await say_replayed(url, (await state_of_stream(client)).at)
    return events


async def _fill(slug: str, url: str, dump: Path, tables: dict[str, Any]) -> None:
    role = f"--role=mewayz_{slug}_owner"
    run_program("pg_restore", "--no-owner", role, "--exit-on-error", f"--dbname={url}", str(dump))
    connection = await asyncpg.connect(url)
    try:
        found = await fingerprint(connection)
    finally:
        await connection.close()
    if found != tables:
        raise WrongBackup(f"The rows restored into mewayz_{slug} are not those of the backup: nothing was restored.")


async def _replace_rows(
    connection: "asyncpg.Connection[Any]", tenant: UUID, tables: dict[str, Any], folder: Path
) -> None:
    await connection.execute("set constraints all deferred")
    known = {table.name: table for table in await tables_of(connection) if table.has_tenants}
    for table in known.values():
        await connection.execute(f"delete from {table.name} where tenant_id = $1", tenant)  # noqa: S608 a name of the catalog
    for name, told in sorted(tables.items(), key=lambda one: one[0] == _LAST):
        columns, rows = tuple(told["columns"]), told["rows"]
        if name not in known:
            raise WrongBackup(f"There is no table {name}: an older or newer release wrote this backup.")
        now = known[name]
        await connection.copy_to_table(
            now.table, schema_name=now.schema, columns=columns, source=folder / name, format="binary"
        )
        written = replace(now, columns=columns)  # of a release since, it may have more
        if await table_fingerprint(connection, written, tenant) != rows:
            raise WrongBackup(f"The rows restored into {name} are not those of the backup: nothing was restored.")


def _aside(slug: str) -> str:
    return f"before_restore_{slug}"


async def _set_aside(connection: "asyncpg.Connection[Any]", slug: str) -> None:
    """Keep a database under another name until all are restored; of a restore that was interrupted it is there already."""
    if await _exists(connection, _aside(slug)):
        await connection.execute(f'drop database if exists "mewayz_{slug}" with (force)')
    elif await _exists(connection, f"mewayz_{slug}"):
        await connection.execute(f'alter database "mewayz_{slug}" rename to "{_aside(slug)}"')


async def _put_back(connection: "asyncpg.Connection[Any]", slug: str) -> None:
    await connection.execute(f'drop database if exists "mewayz_{slug}" with (force)')
    if await _exists(connection, _aside(slug)):
        await connection.execute(f'alter database "{_aside(slug)}" rename to "mewayz_{slug}"')


async def _exists(connection: "asyncpg.Connection[Any]", database: str) -> bool:
    return bool(await connection.fetchval("select true from pg_database where datname = $1", database))


@contextmanager
def _opened(source: Path, kind: str) -> Generator[tuple[dict[str, Any], Path]]:
    """Give a backup's manifest and a folder with its files, which are as they were written. Raises WrongBackup."""
    with tempfile.TemporaryDirectory(prefix=".mewayz-restore-", dir=source.absolute().parent) as name:
        folder = Path(name)
        try:
            with tarfile.open(source) as tar:
                for entry in tar:
                    _extract(tar, entry, folder)
            manifest = json.loads((folder / MANIFEST).read_text())
        except (OSError, tarfile.TarError, ValueError) as error:
            raise WrongBackup(f"{source} can't be read as a backup: {error}.") from None
        if manifest.get("kind") != kind or manifest.get("version") != VERSION:
            raise WrongBackup(f"{source} is no backup of a {kind}.")
        if damaged := [path for path, digest in manifest["files"].items() if not _is_whole(folder / path, digest)]:
            raise WrongBackup(f"{source} is damaged: {', '.join(damaged)}.")
        yield manifest, folder


def _extract(tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    path, content = (folder / entry.name).resolve(), tar.extractfile(entry)
    if content is None or not path.is_relative_to(folder.resolve()):
        raise tarfile.TarError(f"{entry.name} is no file of a backup")
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(content, file)


def _is_whole(path: Path, digest: str) -> bool:
    return path.is_file() and file_hash(path) == digest
