"""What resolvers of one request share."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar, cast
from uuid import UUID

from aiodataloader import DataLoader

from shared.clock import new_id
from shared.database.entity import Entity
from shared.database.transaction import Database, Transaction
from shared.errors import Forbidden
from shared.graph.names import camel
from shared.wire.envelope import Cause
from shared.wire.principal import Principal, RowScope
from shared.wire.reads import MOST_ROWS, sensitive_read

T = TypeVar("T")
Reach = tuple[type[Entity], RowScope]


class RequestContext:
    """One request: its principal, its read transaction, its loaders. Resolvers get it as `info.context`."""

    def __init__(self, module: str, database: Database, tx: Transaction, cause: Cause, deadline: float) -> None:
        """`tx` is open for reading for as long as the request runs; it costs nothing until it is first used.

        `deadline` is an instant in seconds since the epoch, real time.
        """
        self.module = module
        self.database = database
        self.principal: Principal = tx.principal
        self.cause = cause
        self.receipt: UUID | None = None  # of the queued command that this request executes
        self._deadline = deadline
        self._tx = tx
        self._turn = asyncio.Lock()
        self._loaders: dict[Hashable, DataLoader[Any, Any]] = {}
        self._seen: dict[str, tuple[dict[str, None], dict[UUID, None]]] = {}

    @property
    def left_s(self) -> float:
        """How many seconds are left."""
        return max(0.05, self._deadline - time.time())

    def new_id(self) -> UUID:
        """Return a new id."""
        return new_id(self.database.clock.now())

    async def read(self, work: Callable[[Transaction], Awaitable[T]], *, reach: Reach | None = None) -> T:
        """Run `work` on the request's read transaction; one at a time, as one connection demands.

        `reach` narrows a model to a row scope for as long as `work` runs, whatever its statements forget.
        """
        async with self._turn:
            self._tx.reach = reach
            return await work(self._tx)

    async def rest(self) -> None:
        """Give the read transaction's connection back until the next read, for a command takes one of its own.

        Who waits for one while holding another may wait for ever: all others do the same.
        """
        async with self._turn:
            await self._tx.rest()

    def loader(
        self,
        key: Hashable,
        load: Callable[[Transaction, list[Any]], Awaitable[list[T]]],
        *,
        reach: Reach | None = None,
    ) -> DataLoader[Any, T]:
        """Return the request's loader under `key`; `load` answers a batch of keys in their order. `reach` as in `read`."""
        if key not in self._loaders:

            async def batch(keys: list[Any]) -> list[T]:
                return await self.read(lambda tx: load(tx, keys), reach=reach)

            self._loaders[key] = DataLoader(batch)
        return cast("DataLoader[Any, T]", self._loaders[key])

    def note_read(self, row: Entity, field: str) -> None:
        """Note that a sensitive field of a row was read; what somebody reads of their own is theirs."""
        reader = self.principal
        owner = getattr(row, type(row).__owner__ or "", None)
        if reader.user is None or (owner is not None and owner in (reader.user, reader.employee)):
            return
        fields, rows = self._seen.setdefault(type(row).__name__, ({}, {}))
        fields[field], rows[row.id] = None, None

    def tell_reads(self) -> None:
        """Let what was noted go out when the request's transaction commits: one fact for each entity."""
        if not self._seen:
            return
        told, reader = sensitive_read(self.module), self.principal.user
        for entity, (fields, rows) in self._seen.items():
            assert reader is not None
            ids = tuple(rows)
            self._tx.publish(
                told(
                    reader_id=reader,
                    entity=entity,
                    fields=tuple(map(camel, fields)),
                    row_ids=ids[:MOST_ROWS],
                    row_count=len(ids),
                )
            )
        self._seen.clear()

    def require(self, permission: str) -> RowScope:
        """Return the row scope in which the caller holds `permission`. Raises Forbidden."""
        scope = self.principal.scope(permission)
        if scope is None:
            raise Forbidden(permission)
        return scope
