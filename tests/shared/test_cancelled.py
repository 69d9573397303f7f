"""A request that is given up while its transaction begins, works or ends: the connection's next user must not notice.

Seen as rows refused by another tenant's policy in a full run: BEGIN had reached the server, its task was cancelled, and the
connection went back to the pool with the transaction, and its tenant, still open.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import anyio
import pytest
from sqlalchemy import text

from shared.clock import SystemClock
from shared.database.engine import connect_app
from shared.database.transaction import Database
from shared.wire.principal import Principal
from tests.modules import RunningModule

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
_STEPS = 200
_STEP_S = 0.0001  # a transaction takes some milliseconds: it is given up at each of its parts
_TENANT = "select current_setting('app.tenant_id') as tenant"


@pytest.fixture
async def database(crm: RunningModule) -> AsyncIterator[Database]:
    """CRM's database over one connection, so that the next transaction gets the one that was given up."""
    database = Database(connect_app(crm.urls.app_url, "crm", pool_size=1, overflow=0), "crm", SystemClock())
    yield database
    await database.close()


async def given_up(
    database: Database, principal: Principal, patience: AbstractAsyncContextManager[Any], *, by_session: bool
) -> None:
    """Begin a transaction, read and write in it, and lose patience."""
    with suppress(TimeoutError):
        async with patience, database.transaction(principal) as tx:
            await tx.session.execute(text(_TENANT)) if by_session else await tx.fetch(_TENANT)
            await tx.fetch(
                "insert into kit.schedule values ($1, 'given up', now()) on conflict do nothing", tx.tenant_id
            )


@asynccontextmanager
async def move_on_after(seconds: float) -> AsyncIterator[None]:
    """Cancel as AnyIO does: again and again, until the block has ended."""
    with anyio.move_on_after(seconds):
        yield


@pytest.mark.parametrize("patience", [asyncio.timeout, move_on_after], ids=["once", "again and again"])
async def test_a_connection_that_was_given_up_serves_the_next_tenant_and_keeps_what_it_commits(
    crm: RunningModule, database: Database, patience: Callable[[float], AbstractAsyncContextManager[Any]]
) -> None:
    """security.md, E1: the tenant rides on BEGIN, so a BEGIN that is missing is another tenant's"""
    ada, bob = await crm.new_tenant(), await crm.new_tenant()
    for step in range(_STEPS):
        await given_up(database, ada, patience(step // 2 * _STEP_S), by_session=step % 2 > 0)

        name = f"after {step}"
        async with database.transaction(bob) as tx:
            assert (await tx.fetch(_TENANT))[0]["tenant"] == str(bob.tenant)
            await tx.fetch("insert into kit.schedule values ($1, $2, now())", tx.tenant_id, name)

        assert bob.tenant
        assert await crm.rows(bob.tenant, "select from kit.schedule where name = $1", name), "committed, and lost"
