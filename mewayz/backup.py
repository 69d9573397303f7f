"""Backup and restore: all of a platform by pg_dump, or one tenant's rows by COPY; each file says what it holds.

JetStream is not in a backup: the truth is PostgreSQL (events.md, H1). Events that were on their way lie in outbox and
outbox_sent, which are; after a restore `mewayz events refill` puts them on the stream, and inboxes drop what they know.
"""

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from mewayz.passwords import Passwords
from mewayz.servers.databases import make_database
from mewayz.servers.module_database import module_database
from mewayz.servers.postgres import binaries
from shared.errors import InvalidInput

_MANIFEST = "manifest.json"
_TABLES = """
    select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any($1) and c.relkind = 'r'
      and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
    order by 1
"""
_ALL_TABLES = """
    select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%' and c.relkind = 'r'
    order by 1
"""


class WrongBackup(InvalidInput):
    """The file is no backup of this kind, or it is damaged."""

    code = "WRONG_BACKUP"


async def backup_all(admin_url: str, slugs: Sequence[str], passwords: Passwords, target: Path) -> dict[str, Any]:
    """Write every module's database into the tar file `target`; return the manifest: rows and hash a table."""
    files: dict[str, bytes] = {}
    modules: dict[str, Any] = {}
    for slug in slugs:
        url = module_database(admin_url, slug, passwords).owner_url
        files[f"{slug}.dump"] = _pg("pg_dump", "--format=custom", "--no-owner", f"--dbname={_admin(url)}")
        modules[slug] = await fingerprint(_admin(url))
    return _write(target, {"kind": "platform", "modules": modules}, files)


async def restore_all(admin_url: str, passwords: Passwords, source: Path) -> dict[str, Any]:
    """Bring every module's database back to what the tar file `source` holds; return its manifest.

    The modules must not run. Raises WrongBackup, also where the rows restored are not those that were backed up.
    """
    manifest, files = _read(source, "platform")
    for slug, tables in manifest["modules"].items():
        database = f"mewayz_{slug}"
        connection = await asyncpg.connect(admin_url)
        try:
            await connection.execute(f'drop database if exists "{database}" with (force)')
        finally:
            await connection.close()
        made = await make_database(admin_url, slug, passwords)
        url = _admin(made.owner_url)
        role = f"--role={database}_owner"
        _pg("pg_restore", "--no-owner", role, "--exit-on-error", f"--dbname={url}", stdin=files[f"{slug}.dump"])
        if await fingerprint(url) != tables:
            raise WrongBackup(f"The rows restored into {database} are not those of the backup: don't use it.")
    return manifest


async def backup_tenant(
    admin_url: str, slugs: Sequence[str], passwords: Passwords, tenant: UUID, target: Path
) -> dict[str, Any]:
    """Write one tenant's rows of every module into the tar file `target`, each module in one snapshot."""
    files: dict[str, bytes] = {}
    modules: dict[str, Any] = {}
    for slug in slugs:
        connection = await asyncpg.connect(_admin(module_database(admin_url, slug, passwords).owner_url))
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                for row in await connection.fetch(_TABLES, [slug, "kit"]):
                    out = io.BytesIO()
                    query = f"select * from {row['name']} where tenant_id = $1"  # noqa: S608 a name of the catalog
                    await connection.copy_from_query(query, tenant, output=out, format="binary")
                    files[f"{slug}/{row['name']}"] = out.getvalue()
        finally:
            await connection.close()
        modules[slug] = {name: _hash(content) for name, content in files.items() if name.startswith(f"{slug}/")}
    return _write(target, {"kind": "tenant", "tenant": str(tenant), "modules": modules}, files)


async def restore_tenant(admin_url: str, passwords: Passwords, source: Path) -> dict[str, Any]:
    """Replace one tenant's rows in every module by those of `source`; other tenants' rows are not touched.

    The modules must not run. Each module is restored in one transaction, or not at all. Raises WrongBackup.
    """
    manifest, files = _read(source, "tenant")
    tenant = UUID(manifest["tenant"])
    for slug in manifest["modules"]:
        connection = await asyncpg.connect(_admin(module_database(admin_url, slug, passwords).owner_url))
        try:
            async with connection.transaction():
                await connection.execute("set constraints all deferred")
                for row in await connection.fetch(_TABLES, [slug, "kit"]):
                    await connection.execute(f"delete from {row['name']} where tenant_id = $1", tenant)  # noqa: S608
                    content = files.get(f"{slug}/{row['name']}")
                    if content is not None:
                        schema, name = row["name"].split(".") if "." in row["name"] else ("public", row["name"])
                        await connection.copy_to_table(
                            name.strip('"'), schema_name=schema.strip('"'), source=io.BytesIO(content), format="binary"
                        )
        finally:
            await connection.close()
    return manifest


async def fingerprint(url: str) -> dict[str, Any]:
    """Return each table's number of rows and a hash that doesn't depend on their order: what a restore must give again."""
    connection = await asyncpg.connect(url)
    try:
        found: dict[str, Any] = {}
        for row in await connection.fetch(_ALL_TABLES):
            statement = (
                f"select count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text from {row['name']} t"  # noqa: S608
            )
            (counted,) = await connection.fetch(statement)
            found[row["name"]] = list(counted)
        return found
    finally:
        await connection.close()


def _admin(owner_url: str) -> str:
    """Return the URL as the administrator, whom row-level security lets through."""
    return owner_url.split("&role=")[0].split("?role=")[0]


def _pg(program: str, *arguments: str, stdin: bytes | None = None) -> bytes:
    done = subprocess.run([str(binaries() / program), *arguments], input=stdin, capture_output=True, check=False)
    if done.returncode != 0:
        raise WrongBackup(f"{program} failed: {done.stderr.decode(errors='replace').strip().splitlines()[-1]}")
    return done.stdout


def _write(target: Path, manifest: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    manifest = {**manifest, "version": 1, "files": {name: _hash(content) for name, content in files.items()}}
    draft = target.with_suffix(".part")
    with tarfile.open(draft, "w") as tar:
        for name, content in {_MANIFEST: json.dumps(manifest).encode(), **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600
            tar.addfile(entry, io.BytesIO(content))
    draft.chmod(0o600)
    draft.rename(target)
    return manifest


def _read(source: Path, kind: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    try:
        with tarfile.open(source) as tar:
            files = {entry.name: tar.extractfile(entry).read() for entry in tar.getmembers()}  # pyright: ignore[reportOptionalMemberAccess]
    except (OSError, tarfile.TarError) as error:
        raise WrongBackup(f"{source} can't be read as a backup: {error}.") from None
    manifest = json.loads(files.pop(_MANIFEST, b"{}"))
    if manifest.get("kind") != kind or manifest.get("version") != 1:
        raise WrongBackup(f"{source} is no backup of a {kind}.")
    if damaged := [name for name, content in files.items() if manifest["files"].get(name) != _hash(content)]:
        raise WrongBackup(f"{source} is damaged: {', '.join(damaged)}.")
    return manifest, files


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
