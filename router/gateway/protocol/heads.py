"""HTTP/1.1 whose heads come whole within a size and a time: the parser has no bounds of its own (threat 21).

Without them anybody, token or not, could fill the memory with one endless header, which is copied at each piece that comes,
or hold connections that never ask anything.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from router.gateway.errors import HeadTooLarge
from router.gateway.protocol.http import refusal

HEAD_BYTES = 64 * 1024  # of what is no body: also what chunks are wrapped in, and trailers
HEAD_S = 20.0
_WRAPPED = 8  # a chunk of one byte comes in six more
_TOO_LARGE = refusal(HeadTooLarge(HEAD_BYTES))
_ANSWER = (
    b"HTTP/1.1 %d Request Header Fields Too Large\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
    % (_TOO_LARGE.status, _TOO_LARGE.content_type, len(_TOO_LARGE.body), _TOO_LARGE.body)
)


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
            self.transport.write(_ANSWER)
            self.transport.close()
        if not self._is_in_head:
            self._wait_no_more()
        elif self._too_late is None:
            self._too_late = self.loop.call_later(HEAD_S, self.transport.close)

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

    def _wait_no_more(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None
