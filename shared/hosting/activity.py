"""Whether a module has work in hand, and since when not: an idle one may be put to sleep."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from shared.hosting.endpoint import Endpoint, Receive, Scope, Send


class Activity:
    """Counts what a process has in hand."""

    def __init__(self) -> None:
        """Begin idle, now."""
        self._in_hand = 0
        self._ended_at = time.monotonic()

    @property
    def idle_s(self) -> float:
        """How many seconds nothing has been in hand."""
        return 0.0 if self._in_hand else time.monotonic() - self._ended_at

    @contextmanager
    def work(self) -> Generator[None]:
        """Count what happens inside the block."""
        self._in_hand += 1
        try:
            yield
        finally:
            self._in_hand -= 1
            self._ended_at = time.monotonic()


class CountedEndpoint:
    """An endpoint whose requests count as work."""

    def __init__(self, endpoint: Endpoint, activity: Activity) -> None:
        """Pass everything on to `endpoint`."""
        self._endpoint = endpoint
        self._activity = activity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        with self._activity.work():
            await self._endpoint(scope, receive, send)
