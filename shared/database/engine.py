"""Connections of the app role: the tenant rides on BEGIN, so that no statement can run without one (security.md, E1)."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from shared.database.address import Address, open_connection
from shared.errors import Defect

# A role that no policy binds, or that may become one: a superuser, and whoever owns the module's tables or is let to.
_UNBOUND = """
    select r.rolsuper or r.rolbypassrls or exists (
        select from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = any (array[$1, 'kit']) and c.relkind in ('r', 'p') and pg_has_role(r.oid, c.relowner, 'member')
    ) from pg_roles r where r.rolname = current_user
"""
# A table that the app role could read rows of all companies from: without forced row-level security, or with a policy of its
# own, or everybody's, that asks for no tenant. Without a policy nothing is seen, which is safe.
_OPEN_TABLE = """
    select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any (array[$1, 'kit']) and c.relkind in ('r', 'p', 'm')
      and has_table_privilege(to_regrole(format('mewayz_%s_app', $1)), c.oid, 'select')
      and coalesce(obj_description(c.oid, 'pg_class'), '') not like '%@global_table%'
      and (not (c.relrowsecurity and c.relforcerowsecurity) or exists (
        select from pg_policy p where p.polrelid = c.oid
          and (0 = any (p.polroles) or to_regrole(format('mewayz_%s_app', $1)) = any (p.polroles))
          and coalesce(pg_get_expr(p.polqual, c.oid), '') not like '%app.tenant_id%'
      ))
    limit 1
"""
_SETTINGS: ContextVar[str] = ContextVar("settings", default="")


class _TenantConnection(asyncpg.Connection):  # pyright: ignore[reportMissingTypeArgument]
    """Appends SET LOCAL to BEGIN: one message more in the same round trip, gone at COMMIT or ROLLBACK."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109
        """Run a statement; a BEGIN takes the tenant of the running task with it.

        A BEGIN that is given up ends the connection: the server may have begun, and whoever came next would get a savepoint
        in that transaction, with its tenant, and nothing of theirs would ever be committed.
        """
        if args or not query.startswith("BEGIN"):
            return await super().execute(query, *args, timeout=timeout)
        try:
            return await super().execute(query + _SETTINGS.get(), timeout=timeout)
        except BaseException:
            self.terminate()
            raise


@contextmanager
def tenant_scope(tenant: UUID, *, timeout_s: float = 5.0) -> Generator[None]:
    """Let transactions begun inside see the rows of `tenant` and no others, each statement for at most `timeout_s`."""
    settings = f"set local app.tenant_id = '{tenant}'; set local statement_timeout = {max(1, int(timeout_s * 1000))};"
    before = _SETTINGS.set(settings)
    try:
        yield
    finally:
        _SETTINGS.reset(before)


class UnboundRole(Defect):
    """The module connects as a role that row-level security does not bind (security.md, threat 5)."""

    def __init__(self, slug: str) -> None:
        """Name the module."""
        super().__init__(
            f"Module {slug} connects as a superuser or an owner of its tables: nothing would keep companies apart."
        )


class OpenTable(Defect):
    """A table of the module is not behind row-level security (security.md, threat 6)."""

    def __init__(self, slug: str, table: str) -> None:
        """Name both."""
        super().__init__(
            f"Module {slug}: nothing keeps companies apart in the table {table}; `mewayz restart {slug}` migrates it anew."
        )


def connect_app(
    url: str | Address, slug: str, *, pool_size: int = 6, overflow: int = 4, is_bound: bool = True
) -> AsyncEngine:
    """Return the engine of a module's app role; connections are opened when first needed.

    `url` is a PostgreSQL URL of that role, or what returns those to try. Outside a `tenant_scope` every table looks
    empty: default deny. The first connection raises UnboundRole where the role is one that no policy binds, and OpenTable
    where a table has none that asks for the tenant, unless that `is_bound` is waived (by the proof).
    """
    is_sure = not is_bound

    async def connect() -> "asyncpg.Connection[Any]":
        nonlocal is_sure
        connection: asyncpg.Connection[Any] = await open_connection(
            url,
            connection_class=_TenantConnection,
            server_settings={"search_path": f"{slug},kit", "application_name": f"mewayz-{slug}", "jit": "off"},
        )
        if not is_sure:
            is_unbound = await connection.fetchval(_UNBOUND, slug)
            open_table: str | None = await connection.fetchval(_OPEN_TABLE, slug)
            if is_unbound or open_table:
                await connection.close()
                raise UnboundRole(slug) if is_unbound or not open_table else OpenTable(slug, open_table)
            is_sure = True
        return connection

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=connect, pool_size=pool_size, max_overflow=overflow, pool_recycle=3600
    )
    event.listen(engine.sync_engine, "checkout", _must_be_usable)
    return engine


async def begun(session: AsyncSession) -> "asyncpg.Connection[Any]":
    """Return the connection of a session's transaction, and begin that where no statement has yet.

    Raises what asyncpg raises.
    """
    connection = await session.connection()
    adapted: Any = connection.sync_connection.connection.dbapi_connection  # pyright: ignore[reportOptionalMemberAccess]
    if adapted._transaction is None:  # SQLAlchemy's adapter begins with the first statement that goes through it
        try:
            await adapted._start_transaction()
        except adapted.dbapi.Error as error:
            raise error.__cause__ or error from None
    return adapted.driver_connection


def _must_be_usable(connection: Any, _record: Any, _proxy: Any) -> None:
    """Let the pool open another connection for one that the server has closed, or whose last COMMIT was given up."""
    driver: asyncpg.Connection[Any] = connection.driver_connection
    if driver.is_closed() or driver.is_in_transaction():
        raise DisconnectionError
