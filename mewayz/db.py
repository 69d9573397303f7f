"""`mewayz db`: backup and restore, of everything or of one tenant."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from mewayz.failures import AlreadyRunning
from mewayz.folders import Folders, folders_of
from mewayz.options import Data
from shared.errors import InvalidInput

db = typer.Typer(help="Databases: backup and restore", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The backup, one tar file")]
Tenant = Annotated[str | None, typer.Option(help="Only this tenant: its slug")]
Url = Annotated[str | None, typer.Option(envvar="MEWAYZ_DATABASE_URL", help="A real PostgreSQL")]


class NoSuchTenant(InvalidInput):
    """No tenant has this slug."""

    code = "NO_SUCH_TENANT"


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
def restore(file: File, tenant: Tenant = None, data: Data = Path("var"), database_url: Url = None) -> None:
    """Bring the databases back to FILE, checked row by row; the platform must be stopped. See also: events refill"""
    from mewayz import backup as backups

    async def work(url: str, folders: Folders) -> str:
        bring_back = backups.restore_all if tenant is None else backups.restore_tenant
        manifest = await bring_back(url, _passwords(folders), file)
        return f"{len(manifest['modules'])} modules restored. Next: ./justw up, then mewayz events refill"

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
    if lock.is_taken() and alone:
        raise AlreadyRunning(lock.holder())
    server = Postgres(folders, _passwords(folders))
    if url or lock.is_taken():
        yield url or server.admin_url
        return
    folders.create()
    await server.start()
    try:
        yield server.admin_url
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
