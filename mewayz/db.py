"""`mewayz db`: backup and restore, of everything or of one tenant."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mewayz.folders import Folders, folders_of
from mewayz.options import Data
from shared.errors import InvalidInput

if TYPE_CHECKING:
    from nats.aio.client import Client

db = typer.Typer(help="Databases: backup and restore", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The backup, one tar file")]
Tenant = Annotated[str | None, typer.Option(help="Only this tenant: its slug")]
Url = Annotated[str | None, typer.Option(envvar="MEWAYZ_DATABASE_URL", help="A real PostgreSQL")]


class NoSuchTenant(InvalidInput):
    """No tenant has this slug."""

    code = "NO_SUCH_TENANT"


class StillRunning(InvalidInput):
    """The platform runs on the data that are to be replaced."""

    code = "STILL_RUNNING"


@db.command()
def backup(file: File, tenant: Tenant = None, data: Data = Path("var"), database_url: Url = None) -> None:
    """Write everything, or one tenant's rows, into FILE; the platform may run meanwhile"""
    from mewayz import backup as backups

    async def work(url: str, folders: Folders) -> str:
        passwords, slugs = _passwords(folders), await _slugs(url)
        if tenant is None:
            manifest = await backups.backup_all(url, slugs, passwords, file)
        else:
            wanted = await _tenant_id(url, folders, tenant)
            manifest = await backups.backup_tenant(url, slugs, passwords, wanted, file)
        return f"{file}: {len(manifest['modules'])} modules, {file.stat().st_size:,} bytes"

    print(_run(work, data, database_url, alone=False))


@db.command()
def restore(
    file: File,
    tenant: Tenant = None,
    data: Data = Path("var"),
    database_url: Url = None,
    nats_url: Annotated[str | None, typer.Option(envvar="MEWAYZ_NATS_URL", help="A real NATS")] = None,
) -> None:
    """Bring the databases, and the stream of events, back to FILE, compared row by row; the platform must be stopped"""
    from mewayz import restore as restores

    async def work(url: str, folders: Folders) -> str:
        passwords = _passwords(folders)
        if tenant is None:
            manifest = await restores.restore_all(url, passwords, file)
        else:
            manifest = await restores.restore_tenant(url, passwords, file, await _tenant_id(url, folders, tenant))
        for record in folders.modules.glob("*.json"):  # what the next start need not look at, of other databases
            record.unlink()
        async with _stream(folders, nats_url) as client:
            events = await restores.fit_events(client, url, passwords, await _slugs(url))
        return f"{len(manifest['modules'])} modules restored, {events:,} events on the stream. Next: ./justw up"

    print(_run(work, data, database_url, alone=True))


def _run(work: Callable[[str, Folders], Coroutine[Any, Any, str]], data: Path, url: str | None, *, alone: bool) -> str:
    import anyio

    folders = folders_of(data)

    async def run() -> str:
        async with _server(folders, url, alone=alone) as admin_url:
            return await work(admin_url, folders)

    return anyio.run(run)


@asynccontextmanager
async def _server(folders: Folders, url: str | None, *, alone: bool) -> AsyncGenerator[str]:
    """Give the administrator's URL: of the running server, of a real one, or of one started for as long as this takes."""
    from mewayz.folders import Lock
    from mewayz.servers.postgres import Postgres

    lock = Lock(folders)
    server = Postgres(folders, _passwords(folders))
    if lock.is_taken():
        if alone:
            raise StillRunning(
                f"The platform runs on {folders.data}: stop it before, ./justw down --data {folders.data}."
            )
        yield url or server.admin_url
        return
    folders.create()
    lock.take("mewayz db")  # nothing starts meanwhile
    if url:
        yield url
        return
    await server.start()
    try:
        yield server.admin_url
    finally:
        await server.stop()


@asynccontextmanager
async def _stream(folders: Folders, url: str | None) -> "AsyncGenerator[Client]":
    """Give an administrator's connection to NATS, a real one or one started for as long as this takes, with its streams."""
    from mewayz.servers.external import ExternalNats
    from mewayz.servers.nats import Nats
    from mewayz.servers.streams import connect, make_streams

    server = ExternalNats(url) if url else Nats(folders, _passwords(folders))
    await server.start()
    try:
        client = await connect(server.admin_url)
        try:
            if not url:  # a real one's are made by `mewayz provision`, in as many copies as it was told
                await make_streams(client)
            yield client
        finally:
            await client.close()
    finally:
        await server.stop()


async def _slugs(admin_url: str) -> list[str]:
    import asyncpg

    connection = await asyncpg.connect(admin_url)
    try:
        rows = await connection.fetch(
            "select datname from pg_database where starts_with(datname, 'mewayz_') order by 1"
        )
    finally:
        await connection.close()
    return [row["datname"].removeprefix("mewayz_") for row in rows]


async def _tenant_id(admin_url: str, folders: Folders, slug: str) -> Any:
    import asyncpg

    from mewayz.servers.module_database import module_database

    url = module_database(admin_url, "identity", _passwords(folders)).relay_url
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetchval("select tenant_id from kit.tenant where slug = $1", slug)
    finally:
        await connection.close()
    if found is None:
        raise NoSuchTenant(f"No tenant is called {slug!r}: `mewayz demo logins` shows the demo's.")
    return found


def _passwords(folders: Folders) -> Any:
    from mewayz.passwords import Passwords

    return Passwords(folders.secrets)
