"""A pooled HTTP/1.1 client on httptools, over Unix sockets and TCP: what a fetch costs is mostly this file.

transport = Transport()
reply = await transport.request("unix:/run/crm.sock", target="/graphql", body=b"{}", until=loop.time() + 5)
reply = await transport.request("http://crm:8000/graphql", body=b"{}", until=loop.time() + 5)
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Iterable
from time import monotonic
from typing import cast
from urllib.parse import urlsplit

import httptools
import msgspec

_CONNECTIONS = 256  # to one address
_IDLE_S = 4.0  # below what servers usually allow, so that a kept connection is rarely closed under a request
_ANSWER_BYTES = 64 << 20
_LOOK_S = 0.02


class TransportError(Exception):
    """The other side could not be asked, or did not answer. `was_sent`: it may have acted on the request."""

    def __init__(self, message: str, *, was_sent: bool) -> None:
        """Say what happened; addresses in it are for the log only."""
        super().__init__(message)
        self.was_sent = was_sent


class Reply(msgspec.Struct, frozen=True):
    """What the other side answered; header names are lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Transport:
    """Connections that are kept between requests. At most 256 go to one address; more requests wait."""

    def __init__(self) -> None:
        """Begin without connections."""
        self._pools: dict[str, _Pool] = {}  # by URL

    async def request(
        self,
        url: str,
        *,
        target: str | None = None,
        method: str = "POST",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        until: float,
        may_repeat: bool = False,
    ) -> Reply:
        """Send one request and return the reply, whatever its status.

        `target` replaces the URL's path and query. With `may_repeat` a request is sent once more when a connection
        breaks under it; without, only where a kept one broke before the request could have been sent.
        Raises TransportError, or TimeoutError at the loop's time `until`, at most a twentieth of a second later.
        """
        pool = self._pools.get(url) or self._pools.setdefault(url, _Pool(_address(url)))
        address = pool.address
        head = (
            f"{method} {target or address.target} HTTP/1.1\r\nhost: {address.host}\r\ncontent-length: {len(body)}\r\n"
        )
        head += "".join([f"{name}: {value}\r\n" for name, value in headers])
        message = head.encode("latin-1") + b"\r\n" + body
        try:
            return await pool.exchange(message, until)
        except TransportError as error:
            if error.was_sent and not may_repeat:
                raise
            return await pool.exchange(message, until, fresh=True)

    def close(self) -> None:
        """Close every connection; requests under way fail."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()


class _Address(msgspec.Struct, frozen=True):
    """Where to connect: `path` of a Unix socket, or `name` and `port`."""

    host: str
    target: str
    path: str | None = None
    name: str = ""
    port: int = 0
    is_tls: bool = False


def _address(url: str) -> _Address:
    if url.startswith("unix:"):
        return _Address(host="localhost", target="/graphql", path=url.removeprefix("unix:"))
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TransportError(f"not an address: {url}", was_sent=False)
    is_tls = parts.scheme == "https"
    return _Address(
        host=parts.netloc.rpartition("@")[2],
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        name=parts.hostname,
        port=parts.port or (443 if is_tls else 80),
        is_tls=is_tls,
    )


class _Pool:
    """The connections to one address; the one used last is used next.

    One timer ends all exchanges that last too long: a timer for each would cost half of what the exchange does.
    """

    def __init__(self, address: _Address) -> None:
        self.address = address
        self._idle: deque[_Connection] = deque()
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._all: set[_Connection] = set()
        self._look: asyncio.TimerHandle | None = None

    async def exchange(self, message: bytes, until: float, *, fresh: bool = False) -> Reply:
        if self._places.locked():
            async with asyncio.timeout_at(until):
                await self._places.acquire()
        else:
            await self._places.acquire()  # at once
        try:
            connection = (None if fresh else self._kept()) or await self._connect(until)
            if self._look is None:
                self._look = asyncio.get_running_loop().call_later(_LOOK_S, self._end_late)
            try:
                reply = await connection.exchange(message, until)
            except BaseException:
                connection.close()  # half an exchange is on the wire: nobody may use it again
                raise
            if connection.is_reusable:
                self._idle.append(connection)
            else:
                connection.close()
            return reply
        finally:
            self._places.release()

    def close(self) -> None:
        if self._look is not None:
            self._look.cancel()
        for connection in list(self._all):
            connection.close()

    def _end_late(self) -> None:
        """End the exchanges that last too long, and look again as long as there are any."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        is_busy = any([one.is_waiting(now) for one in self._all])
        self._look = loop.call_later(_LOOK_S, self._end_late) if is_busy else None

    def _kept(self) -> "_Connection | None":
        now = monotonic()
        while self._idle and (self._idle[0].is_closed or now - self._idle[0].used_at > _IDLE_S):
            self._idle.popleft().close()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_reusable:
                return connection
            connection.close()
        return None

    async def _connect(self, until: float) -> "_Connection":
        loop = asyncio.get_running_loop()
        address = self.address
        async with asyncio.timeout_at(until):
            try:
                if address.path:
                    _, connection = await loop.create_unix_connection(lambda: _Connection(self._all), address.path)
                else:
                    tls = ssl.create_default_context() if address.is_tls else None
                    _, connection = await loop.create_connection(
                        lambda: _Connection(self._all), address.name, address.port, ssl=tls
                    )
            except OSError as error:
                raise TransportError(f"cannot connect: {error}", was_sent=False) from error
        return connection


class _Connection(asyncio.Protocol):
    """One connection: one request at a time, its reply put together by httptools' callbacks."""

    def __init__(self, register: "set[_Connection]") -> None:
        self._register = register
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Reply] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._until = 0.0
        self.used_at = 0.0
        self.is_closed = False
        self._is_asked_only = True  # nothing came that nobody had asked for
        self._begin()

    @property
    def is_reusable(self) -> bool:
        """Whether another request may follow."""
        return not self.is_closed and self._keeps_alive and self._is_asked_only

    def is_waiting(self, now: float) -> bool:
        """Whether an exchange is under way; one that should have been over by `now` ends with TimeoutError."""
        if self._waiting is None or self._waiting.done():
            return False
        if now >= self._until:
            self._waiting.set_exception(TimeoutError())
        return True

    async def exchange(self, message: bytes, until: float) -> Reply:
        """Send `message` and return its reply."""
        if self.is_closed or self._transport is None:
            raise TransportError("the connection was closed", was_sent=False)
        self._begin()
        self._until = until
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        try:
            return await self._waiting
        finally:
            self._waiting = None
            self.used_at = monotonic()

    def close(self) -> None:
        """Close at once."""
        self.is_closed = True
        self._register.discard(self)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection stands."""
        self._transport = cast("asyncio.Transport", transport)
        self._register.add(self)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came."""
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP: {error}")
        if self._size > _ANSWER_BYTES:
            self._fail("the answer is too large")

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone. A reply without a length ends here."""
        self.is_closed = True
        self._register.discard(self)
        if self._ends_at_close:
            self.on_message_complete()
        self._fail(f"the connection broke: {exc or 'closed by the other side'}")

    def on_message_begin(self) -> None:
        """httptools: a reply begins. One that nobody asked for would end as the next request's."""
        if self._waiting is None or self._waiting.done():
            self._is_asked_only = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: a header."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """httptools: the headers are whole."""
        self._status = self._parser.get_status_code()
        self._keeps_alive = self._parser.should_keep_alive()
        framed = b"content-length" in self._headers or b"transfer-encoding" in self._headers
        self._ends_at_close = not framed and self._status not in (204, 304)

    def on_body(self, body: bytes) -> None:
        """httptools: a part of the body."""
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """httptools: the reply is whole."""
        if self._status // 100 == 1:  # an interim reply; the real one follows
            self._headers.clear()
            return
        self._ends_at_close = False
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(Reply(self._status, self._headers, b"".join(self._chunks)))

    def _begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._chunks: list[bytes] = []
        self._status = 0
        self._size = 0
        self._keeps_alive = False
        self._ends_at_close = False

    def _fail(self, message: str) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(TransportError(message, was_sent=True))
        if not self.is_closed:
            self.close()
