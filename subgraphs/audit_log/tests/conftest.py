"""The module, and its database as the purge sees it, a year later."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.database.engine import connect_app
from shared.database.transaction import Database
from tests.modules import RunningModule, Starter


class Later:
    """A clock that is ahead by `by`."""

    by = timedelta(days=400)

    def now(self) -> datetime:
        """Return the instant."""
        return datetime.now(UTC) + self.by  # noqa: TID251 outside the platform


@pytest.fixture(scope="session")
async def audit_log(start_module: Starter) -> RunningModule:
    return await start_module("audit_log")


@pytest.fixture(scope="session")
async def purging(audit_log: RunningModule) -> AsyncIterator[Database]:
    database = Database(connect_app(audit_log.urls.extra_urls["audit_log_purge"], "audit_log"), "audit_log", Later())
    yield database
    await database.close()
