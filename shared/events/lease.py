"""Which process of a module may apply events: an advisory lock, and an epoch that fences the one before (events.md, H3)."""

import asyncio
from typing import Any

import asyncpg

from shared.database.address import Address, open_connection

_SILENT_S = 30.0  # the relay asks at least every 5 s: who says nothing for so long hangs, or its machine is gone


class LeaseLost(Exception):
    """The connection that held the lock is gone: someone else may be at work, so this one stops."""


class Lease:
    """The module's lease, held by one connection of the relay role; relay and tenant list use that connection too."""

    def __init__(self, connection: "asyncpg.Connection[Any]", consumer: str, epoch: int) -> None:
        """Made by `take_lease` only."""
        self.consumer = consumer
        self.epoch = epoch
        self._connection = connection
        self._turn = asyncio.Lock()

    async def execute(self, statement: str, *args: Any) -> None:
        """Run a statement as the relay role. Raises LeaseLost when the connection is gone."""
        await self._run(self._connection.execute, statement, *args)

    async def fetch(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        """Return a statement's rows, read as the relay role. Raises LeaseLost when the connection is gone."""
        return await self._run(self._connection.fetch, statement, *args)

    async def release(self) -> None:
        """Give the lease up at once, so that another process need not wait."""
        try:
            await self._connection.close(timeout=2)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            self._connection.terminate()

    async def _run(self, call: Any, *args: Any) -> Any:
        async with self._turn:
            try:
                async with asyncio.timeout(_SILENT_S):
                    return await call(*args)
            except (
                TimeoutError,
                asyncpg.PostgresConnectionError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                OSError,
            ) as error:
                raise LeaseLost(str(error)) from error


async def take_lease(url: str | Address, consumer: str, *, silent_s: float = _SILENT_S) -> Lease:
    """Wait until this process is the one that applies the module's events, and return its lease with a new epoch.

    The lock is the session's: when the holder dies, the kernel closes its socket and the next one gets it at once. One
    that hangs, or whose machine is gone without a word, loses its session after `silent_s`.
    """
    while True:
        connection = await open_connection(url, server_settings=_session(consumer, silent_s))
        try:
            await connection.execute("select pg_advisory_lock(hashtext('mewayz-lease'))", timeout=silent_s)
            return await _begin(connection, consumer)
        except TimeoutError:  # the holder is well, or the server is gone, which nobody would tell us: ask anew
            connection.terminate()
        except BaseException:
            connection.terminate()
            raise


def _session(consumer: str, silent_s: float) -> dict[str, str]:
    return {
        "application_name": f"mewayz-{consumer}-relay",
        "idle_session_timeout": f"{silent_s * 1000:.0f}",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
    }


async def _begin(connection: "asyncpg.Connection[Any]", consumer: str) -> Lease:
    await connection.execute(
        "insert into kit.consumer_lease (consumer, epoch) select $1, 0 "
        "where not exists (select from kit.consumer_lease where consumer = $1)",
        consumer,
    )
    epoch = await connection.fetchval(
        "update kit.consumer_lease set epoch = epoch + 1 where consumer = $1 returning epoch", consumer
    )
    return Lease(connection, consumer, epoch)
