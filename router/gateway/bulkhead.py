"""A bound on what one module is asked at once, so that a slow module fills its own queue and nobody else's."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from router.errors import Overloaded
from router.gateway.settings import Settings


class Bulkheads:
    """One bounded place per module, made when it is first asked."""

    def __init__(self, settings: Settings) -> None:
        """Keep the bounds."""
        self._settings = settings
        self._places: dict[str, anyio.Semaphore] = {}

    @asynccontextmanager
    async def place(self, module: str) -> AsyncGenerator[None]:
        """Hold a place at `module`, queueing where all are taken. Raises Overloaded where the queue is full."""
        places = self._places.get(module)
        if places is None:
            places = self._places[module] = anyio.Semaphore(self._settings.module_concurrency, fast_acquire=True)
        if places.value == 0 and places.statistics().tasks_waiting >= self._settings.module_queue:
            raise Overloaded(module, retry_after_ms=self._settings.overload_retry_ms)
        async with places:
            yield
