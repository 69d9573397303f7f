"""Connections of the app role: the tenant rides on BEGIN, so that no statement can run without one (security.md, E1)."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_SETTINGS: ContextVar[str] = ContextVar("settings", default="")


class _TenantConnection(asyncpg.Connection):  # pyright: ignore[reportMissingTypeArgument]
    """Appends SET LOCAL to BEGIN: one message more in the same round trip, gone at COMMIT or ROLLBACK."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109
        """Run a statement; a BEGIN takes the tenant of the running task with it."""
        if not args and query.startswith("BEGIN"):
            query += _SETTINGS.get()
        return await super().execute(query, *args, timeout=timeout)


@contextmanager
def tenant_scope(tenant: UUID, *, timeout_s: float = 5.0) -> Generator[None]:
    """Let transactions begun inside see the rows of `tenant` and no others, each statement for at most `timeout_s`."""
    settings = f"set local app.tenant_id = '{tenant}'; set local statement_timeout = {max(1, int(timeout_s * 1000))};"
    before = _SETTINGS.set(settings)
    try:
        yield
    finally:
        _SETTINGS.reset(before)


def connect_app(url: str, slug: str, *, pool_size: int = 6, overflow: int = 4) -> AsyncEngine:
    """Return the engine of a module's app role; connections are opened when first needed.

    `url` is a PostgreSQL URL of that role. Outside a `tenant_scope` every table looks empty: default deny.
    """

    async def connect() -> "asyncpg.Connection[Any]":
        return await asyncpg.connect(
            url,
            connection_class=_TenantConnection,
            server_settings={"search_path": f"{slug},kit", "application_name": f"mewayz-{slug}", "jit": "off"},
        )

    return create_async_engine(
        "postgresql+asyncpg://", async_creator=connect, pool_size=pool_size, max_overflow=overflow, pool_recycle=3600
    )
