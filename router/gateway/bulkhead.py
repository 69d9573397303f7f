"""A bound on what one module is asked at once, shared fairly between tenants: a storm hurts only who makes it."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from router.errors import Overloaded
from router.gateway.settings import Settings

Turn = asyncio.Future[None]
_NOBODY = UUID(int=0)


class Bulkheads:
    """One bounded place per module, made when it is first asked."""

    def __init__(self, settings: Settings) -> None:
        """Keep the bounds."""
        self._settings = settings
        self._of: dict[str, _Bulkhead] = {}

    @asynccontextmanager
    async def place(self, module: str, tenant: UUID | None, until: float) -> AsyncGenerator[None]:
        """Hold a place at `module`, queueing where none is free.

        Raises Overloaded where the queue is full, TimeoutError at the loop's time `until`.
        """
        bulkhead = self._of.get(module)
        if bulkhead is None:
            bulkhead = self._of[module] = _Bulkhead(module, self._settings)
        await bulkhead.enter(tenant, until)
        try:
            yield
        finally:
            bulkhead.leave(tenant)


class _Bulkhead:
    """Places at one module. Tenants that wait take turns; one tenant holds at most `tenant_concurrency` places."""

    def __init__(self, module: str, settings: Settings) -> None:
        self._module = module
        self._settings = settings
        self._free = settings.module_concurrency
        self._held: dict[UUID | None, int] = {}
        self._waiting: OrderedDict[UUID | None, deque[Turn]] = OrderedDict()
        self._queued = 0

    async def enter(self, tenant: UUID | None, until: float) -> None:
        if self._may_hold(tenant) and not self._waiting.get(tenant):
            self._take(tenant)
            return
        if self._queued >= self._settings.module_queue:
            self._make_room(tenant)
        turn: Turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        self._queued += 1
        try:
            async with asyncio.timeout_at(until):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(tenant)  # the turn came, and nobody took it
            else:
                self._remove(tenant, turn)
            raise

    def leave(self, tenant: UUID | None) -> None:
        self._free += 1
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]
        self._call_next()

    def _may_hold(self, tenant: UUID | None) -> bool:
        return self._free > 0 and self._held.get(tenant, 0) < self._settings.tenant_concurrency

    def _take(self, tenant: UUID | None) -> None:
        self._free -= 1
        self._held[tenant] = self._held.get(tenant, 0) + 1

    def _call_next(self) -> None:
        """Give a free place to the tenant whose turn it is, and let that tenant stand behind the others."""
        while (tenant := next(filter(self._may_hold, self._waiting), _NOBODY)) is not _NOBODY:
            turn = self._waiting[tenant].popleft()
            self._queued -= 1
            self._waiting.move_to_end(tenant)
            self._forget_empty(tenant)
            if not turn.done():  # whoever stopped waiting has not left the queue yet
                self._take(tenant)
                turn.set_result(None)
                return

    def _make_room(self, tenant: UUID | None) -> None:
        """Turn away the newest request of the tenant that has most in the queue: this one's, if it is that tenant."""
        longest = max(self._waiting, key=lambda one: len(self._waiting[one]))
        refusal = Overloaded(self._module, retry_after_ms=self._settings.overload_retry_ms)
        if len(self._waiting[longest]) <= len(self._waiting.get(tenant, ())) + 1:
            raise refusal
        turn = self._waiting[longest].pop()
        self._queued -= 1
        self._forget_empty(longest)
        if not turn.done():  # whoever stopped waiting has not left the queue yet
            turn.set_exception(refusal)

    def _remove(self, tenant: UUID | None, turn: Turn) -> None:
        if turn in self._waiting.get(tenant, ()):
            self._waiting[tenant].remove(turn)
            self._queued -= 1
            self._forget_empty(tenant)

    def _forget_empty(self, tenant: UUID | None) -> None:
        if not self._waiting[tenant]:
            del self._waiting[tenant]
