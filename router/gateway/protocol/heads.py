"""HTTP/1.1 whose heads come whole within a size and a time: the parser has no bounds of its own (threat 21).

Without them anybody, token or not, could fill the memory with one endless header, which is copied at each piece that comes,
or hold connections that never ask anything. A head names one host, as RFC 9112 3.2 asks: of two, proxies and we could each
believe another.
"""

import asyncio
import re
import sys
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Protocol, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from router.errors import BadRequest, RouterError
from router.gateway.errors import HeadTooLarge, TooSlow
from router.gateway.protocol.asgi import Scope
from router.gateway.protocol.http import refusal

HEAD_BYTES = 64 * 1024  # of what is no body: also what chunks are wrapped in, and trailers
HEAD_S = 20.0
_WRAPPED = 8  # a chunk of one byte comes in six more
_ANSWER = b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
_HOST = re.compile(rb"([\w.~!$&'()*+,;=%-]+|\[[\da-fA-F:.]+\])(:\d*)?")  # RFC 3986 3.2.2


class Doorkeeper(Protocol):
    """The application behind the connections, as far as they need it where no request comes of what was sent."""

    def turned_away(self, error: RouterError, scope: Scope) -> None:
        """Note a refusal."""
        ...


def turn_away(transport: asyncio.Transport, app: object, error: RouterError, scope: Scope) -> None:
    """Answer a refusal, close the connection and have `app` note it: of the scope the client, and the headers of a whole head."""
    said = refusal(error)
    phrase = HTTPStatus(said.status).phrase.encode()
    transport.write(_ANSWER % (said.status, phrase, said.content_type, len(said.body), said.body))
    transport.close()
    cast("Doorkeeper", app).turned_away(error, scope)


class BoundedHeads(HttpToolsProtocol):
    """A connection of the gateway. A head that comes in one piece, as nearly all do, needs no timer."""

    _left = HEAD_BYTES
    _is_in_head = True
    _too_late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._too_late = self.loop.call_later(HEAD_S, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Refuse what is too large, and what is too slow."""
        super().data_received(data)
        self._left -= len(data)
        if self._left < 0 and not self.transport.is_closing():
            self._refuse(HeadTooLarge(HEAD_BYTES))
        if not self._is_in_head:
            self._wait_no_more()
        elif self._too_late is None:
            self._too_late = self.loop.call_later(HEAD_S, self._end)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; the parser's own answer has no code, and nobody hears of it."""
        stopped = sys.exception()
        why = stopped.__context__ if stopped else None  # what our own part of the parser raised
        self._refuse(why if isinstance(why, RouterError) else BadRequest(msg))

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._is_in_head, self._left = True, HEAD_BYTES
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End it. Raises BadRequest unless it names one host; HTTP/1.0 may name none."""
        self._is_in_head = False
        _must_name_one_host(self.headers, may_be_none=cast("Any", self.parser).get_http_version() != "1.1")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take what the request's own bounds are for."""
        self._left += _WRAPPED * len(body)
        super().on_body(body)

    def _end(self) -> None:
        if self._left == HEAD_BYTES:
            self.transport.close()  # nothing was asked, as when a browser connects ahead: nothing is refused
        elif not self.transport.is_closing():
            self._refuse(TooSlow("The header fields", HEAD_S))

    def _refuse(self, error: RouterError) -> None:
        # In a head that isn't whole the proxy's own header may be missing, and one that its client wrote be there.
        headers = [] if self._is_in_head else self.headers
        turn_away(self.transport, self.config.app, error, {"client": self.client, "headers": headers})

    def _wait_no_more(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None


def _must_name_one_host(headers: Sequence[tuple[bytes, bytes]], *, may_be_none: bool) -> None:
    hosts = [value for name, value in headers if name == b"host"]
    if not hosts and may_be_none:
        return
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        raise BadRequest("Name one host, in one header `host`.")
