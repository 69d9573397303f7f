"""A bound on what the whole gateway has in hand: more is refused at the door, before memory grows (events.md, G)."""

from collections.abc import Awaitable, Callable

from router.errors import Overloaded
from router.gateway.protocol.asgi import Request, Response, Streamed
from router.gateway.settings import Settings

Handler = Callable[[Request], Awaitable[Response | Streamed]]


class Door:
    """Counts the requests in hand over all the handlers that go through it."""

    def __init__(self, settings: Settings) -> None:
        """Let in as many as the settings say."""
        self._settings = settings
        self._in_hand = 0

    def bounded(self, handler: Handler) -> Handler:
        """Return `handler`, refusing with 503 and Retry-After while too much is in hand: nothing is read then."""

        async def answer(request: Request) -> Response | Streamed:
            if self._in_hand >= self._settings.requests_in_hand:
                raise Overloaded("gateway", retry_after_ms=self._settings.overload_retry_ms)
            self._in_hand += 1
            try:
                return await handler(request)
            finally:
                self._in_hand -= 1

        return answer
