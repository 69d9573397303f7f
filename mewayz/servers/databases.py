"""One database and its roles a module, made with the administrator's rights (contracts.md, "Databases")."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace

import asyncpg

from mewayz.passwords import Passwords
from mewayz.servers.module_database import ModuleDatabase, logins, module_database
from shared.database.address import open_connection

_ITERATIONS = 4096  # PostgreSQL's own number: these passwords can't be guessed, and each connection pays for it


async def make_database(admin_url: str, slug: str, passwords: Passwords) -> ModuleDatabase:
    """Make what is missing of module `slug`'s roles and database, and return its URLs.

    The administrator needs CREATEDB and CREATEROLE, no superuser. Raises asyncpg.PostgresError.
    """
    database = f"mewayz_{slug}"
    owner = f"{database}_owner"
    names = logins(slug)
    connection = await asyncpg.connect(admin_url, server_settings={"createrole_self_grant": "set"})
    try:
        has_new_role = await _make_roles(connection, owner, names, passwords)
        is_new = not await connection.fetchval("select true from pg_database where datname = $1", database)
        if is_new:
            await connection.execute(
                f"create database {_quoted(database)} owner {_quoted(owner)} template template0 encoding 'UTF8' "
                "locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'"
            )
        if is_new or has_new_role:
            await _grant_connect(connection, database, owner, names)
    finally:
        await connection.close()
    return replace(module_database(admin_url, slug, passwords), is_new=is_new)


async def change_passwords(admin_urls: Sequence[str], changes: Mapping[str, str]) -> None:
    """Give roles other passwords; one that is not there yet is passed over, sessions that are open go on.

    The first of `admin_urls` that is not refused counts: the administrator's own password may be among the `changes`, and
    comes last. Raises asyncpg.PostgresError.
    """
    connection = await open_connection(lambda: admin_urls)
    try:
        known = {row["rolname"] for row in await connection.fetch("select rolname from pg_roles")}
        oneself = await connection.fetchval("select session_user")
        for role in sorted(changes.keys() & known, key=lambda role: role == oneself):
            await connection.execute(f"alter role {_quoted(role)} password '{_verifier(changes[role])}'")
    finally:
        await connection.close()


async def _make_roles(connection: asyncpg.Connection, owner: str, logins: list[str], passwords: Passwords) -> bool:
    """Make the roles that are missing, and return whether one that logs in was."""
    rows = await connection.fetch("select rolname from pg_roles where starts_with(rolname, 'mewayz_')")
    known = {row["rolname"] for row in rows}
    if owner not in known:
        await connection.execute(f"create role {_quoted(owner)} nologin")
    for login in logins:
        role, name = f"mewayz_{login}", f"role-{login}"
        password = passwords.of(name)
        if role not in known:
            await connection.execute(f"create role {_quoted(role)} login password '{_verifier(password)}'")
        elif passwords.is_new(name):  # a server kept, a data folder lost
            await connection.execute(f"alter role {_quoted(role)} login password '{_verifier(password)}'")
    return any(f"mewayz_{login}" not in known for login in logins)


async def _grant_connect(connection: asyncpg.Connection, database: str, owner: str, logins: list[str]) -> None:
    # Rights on a database are its owner's to give.
    async with connection.transaction():
        await connection.execute(f"set local role {_quoted(owner)}")
        await connection.execute(f"revoke all on database {_quoted(database)} from public")
        roles = ["session_user", *(_quoted(f"mewayz_{login}") for login in logins)]
        await connection.execute(f"grant connect on database {_quoted(database)} to {', '.join(roles)}")


def _verifier(password: str) -> str:
    """Return what PostgreSQL keeps of a password (RFC 5803), so that no statement, and no log of one, holds it."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    written = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(_ITERATIONS, *written)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
