"""HTTP/1.1 whose heads come whole within a size and a time: the parser has no bounds of its own (threat 21).

Without them anybody, token or not, could fill the memory with one endless header, which is copied at each piece that comes,
or hold connections that never ask anything.
"""

import asyncio
from http import HTTPStatus
from typing import Any, Protocol, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from router.errors import BadRequest, RouterError
from router.gateway.errors import HeadTooLarge
from router.gateway.protocol.http import refusal

HEAD_BYTES = 64 * 1024  # of what is no body: also what chunks are wrapped in, and trailers
HEAD_S = 20.0
_WRAPPED = 8  # a chunk of one byte comes in six more
_ANSWER = b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"


class Doorkeeper(Protocol):
    """The application behind the connections, as far as they need it where no request comes of what was sent."""

    def turned_away(self, error: RouterError, peer: str | None) -> None:
        """Note a refusal."""
        ...


class BoundedHeads(HttpToolsProtocol):
    """A connection of the gateway. A head that comes in one piece, as nearly all do, needs no timer."""

    _left = HEAD_BYTES
    _is_in_head = True
    _too_late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._too_late = self.loop.call_later(HEAD_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Refuse what is too large, and close what is too slow."""
        super().data_received(data)
        self._left -= len(data)
        if self._left < 0 and not self.transport.is_closing():
            self._refuse(HeadTooLarge(HEAD_BYTES))
        if not self._is_in_head:
            self._wait_no_more()
        elif self._too_late is None:
            self._too_late = self.loop.call_later(HEAD_S, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; the parser's own answer has no code, and nobody hears of it."""
        self._refuse(BadRequest(msg))

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._is_in_head, self._left = True, HEAD_BYTES
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End it."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take what the request's own bounds are for."""
        self._left += _WRAPPED * len(body)
        super().on_body(body)

    def _refuse(self, error: RouterError) -> None:
        said = refusal(error)
        phrase = HTTPStatus(said.status).phrase.encode()
        self.transport.write(_ANSWER % (said.status, phrase, said.content_type, len(said.body), said.body))
        self.transport.close()
        cast("Doorkeeper", self.config.app).turned_away(error, self.client[0] if self.client else None)

    def _wait_no_more(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None
