"""Bounds on what the whole gateway has in hand: more is refused at the door, before memory grows (events.md, G)."""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, contextmanager, nullcontext
from uuid import UUID

from router.errors import Overloaded
from router.gateway.protocol.asgi import Request, Response, Streamed
from router.gateway.settings import Settings
from shared.wire.address import subscriber

Handler = Callable[[Request], Awaitable[Response | Streamed]]


class Arrivals:
    """Counts what has yet to come whole, a body or the sign-in on a WebSocket: all of it, and one address's.

    It is neither in hand nor does it stand: else whoever sends byte by byte, or nothing, would keep all others out.
    """

    def __init__(self, settings: Settings) -> None:
        """Wait for as many as the settings say."""
        self._settings = settings
        self._all = 0
        self._of: dict[str, int] = {}

    def refusal(self, peer: str) -> Overloaded | None:
        """Return why one more of this address is not waited for, None where it is."""
        is_full = self._all >= self._settings.awaited
        if is_full or self._of.get(subscriber(peer), 0) >= self._settings.awaited_of_place:
            return Overloaded("gateway", retry_after_ms=self._settings.overload_retry_ms)
        return None

    @contextmanager
    def counted(self, peer: str) -> Generator[None]:
        """Count one while it comes."""
        place = subscriber(peer)
        self._of[place] = self._of.get(place, 0) + 1
        self._all += 1
        try:
            yield
        finally:
            self._all -= 1
            self._of[place] -= 1
            if not self._of[place]:
                del self._of[place]


class Door:
    """Counts the requests in hand over all the handlers that go through it; one whose body has yet to come is none."""

    def __init__(self, settings: Settings) -> None:
        """Let in as many as the settings say."""
        self._settings = settings
        self._arrivals = Arrivals(settings)
        self._in_hand = 0

    def bounded(self, handler: Handler) -> Handler:
        """Return `handler`, refusing with 503 and Retry-After while too much is in hand: nothing is read then."""

        async def answer(request: Request) -> Response | Streamed:
            if self._in_hand >= self._settings.requests_in_hand:
                raise Overloaded("gateway", retry_after_ms=self._settings.overload_retry_ms)
            self._in_hand += 1
            request.waiting = self._waiting
            try:
                return await handler(request)
            finally:
                self._in_hand -= 1

        return answer

    @contextmanager
    def _waiting(self, peer: str) -> Generator[Overloaded | None]:
        refusal = self._arrivals.refusal(peer)
        with self._arrivals.counted(peer):
            self._in_hand -= 1
            try:
                yield refusal
            finally:
                self._in_hand += 1


class Standing:
    """Counts what stays open, WebSockets, what is asked on them and answers in pieces: all of it, and a tenant's (threat 30)."""

    def __init__(self, settings: Settings) -> None:
        """Let stand as many as the settings say."""
        self._settings = settings
        self.arrivals = Arrivals(settings)
        self._all = 0
        self._by_tenant = Counter[UUID]()

    def must_have_room(self) -> None:
        """Raise Overloaded where as many stand as may, whoever asks."""
        self._must_be_below(self._all, self._settings.streams)

    def must_have_share(self, tenant: UUID | None) -> None:
        """Raise Overloaded where a tenant has as many as it may."""
        self._must_be_below(self._by_tenant[tenant] if tenant else 0, self._settings.tenant_streams)

    @contextmanager
    def counted(self) -> Generator[None]:
        """Count a connection while it stands."""
        self._all += 1
        try:
            yield
        finally:
            self._all -= 1

    @contextmanager
    def held(self, tenant: UUID) -> Generator[None]:
        """Count a connection as the tenant's."""
        self._by_tenant[tenant] += 1
        try:
            yield
        finally:
            self._by_tenant -= Counter((tenant,))

    def stream(self, chunks: AsyncGenerator[bytes], tenant: UUID | None) -> AsyncGenerator[bytes]:
        """Return the chunks of an answer that comes in pieces, counted from the first to the last. Raises Overloaded."""
        self.must_have_room()
        self.must_have_share(tenant)
        return self._counted(chunks, tenant)

    async def _counted(self, chunks: AsyncGenerator[bytes], tenant: UUID | None) -> AsyncGenerator[bytes]:
        with self.counted(), self.held(tenant) if tenant else nullcontext():
            async with aclosing(chunks) as opened:
                async for chunk in opened:
                    yield chunk

    def _must_be_below(self, count: int, limit: int) -> None:
        if count >= limit:
            raise Overloaded("gateway", retry_after_ms=self._settings.overload_retry_ms)
