"""What subgraphs stream: a subscription's events, by server-sent events or by graphql-transport-ws.

Sources: the GraphQL over SSE protocol ("distinct connections mode"), and the graphql-transport-ws protocol.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import orjson
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from router.execution.transport import TransportError

_OPENING_S = 10.0
_EVENT_BYTES = 4 << 20
_CHUNK = 1 << 16
_SUBPROTOCOL = "graphql-transport-ws"


class NoEventStream(TransportError):
    """The subgraph answered, but not with server-sent events. `body` is what it said."""

    def __init__(self, status: int, body: bytes) -> None:
        """Keep the status and the body, which may be a GraphQL answer."""
        super().__init__(f"no event stream, but status {status}", was_sent=True)
        self.status = status
        self.body = body


async def server_sent_events(
    url: str, *, target: str = "", headers: Iterable[tuple[str, str]] = (), body: bytes
) -> AsyncGenerator[bytes]:
    """Open an operation by POST and yield the JSON of each `next` event until `complete`.

    Raises NoEventStream for another kind of answer, TransportError when the stream breaks.
    """
    async with _connected(url) as (reader, writer, host, path):
        lines = [f"POST {target or path} HTTP/1.1", f"host: {host}", f"content-length: {len(body)}"]
        lines += ["accept: text/event-stream", "content-type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        parts = _Body()
        async with asyncio.timeout(_OPENING_S):
            while not parts.is_open:
                await parts.more(reader)
        if parts.status != 200 or not parts.content_type.startswith(b"text/event-stream"):
            async with asyncio.timeout(_OPENING_S):
                while not parts.is_whole:
                    await parts.more(reader)
            raise NoEventStream(parts.status, bytes(parts.buffer))
        async for name, data in _events(parts, reader):
            if name == b"complete":
                return
            if name in (b"next", b"message") and data:
                yield data
        raise TransportError("the stream ended without `complete`", was_sent=True)


async def web_socket_events(
    url: str, *, headers: Iterable[tuple[str, str]] = (), body: bytes, payload: dict[str, Any] | None = None
) -> AsyncGenerator[bytes]:
    """Open an operation by graphql-transport-ws and yield the JSON of each `next` until `complete`.

    `payload` goes along with `connection_init`. An `error` message is yielded as an answer with errors.
    """
    async with _connected(url) as (reader, writer, host, path):
        socket = _Socket(reader, writer)
        async with asyncio.timeout(_OPENING_S):
            await socket.open(host, path, headers)
            socket.send({"type": "connection_init", **({"payload": payload} if payload else {})})
            async for message in socket.messages():
                if message.get("type") == "connection_ack":
                    break
        socket.send({"id": "1", "type": "subscribe", "payload": orjson.loads(body)})
        async for message in socket.messages():
            kind, told = message.get("type"), message.get("payload")
            if kind == "next":
                yield orjson.dumps(told)
            elif kind == "error":
                yield orjson.dumps({"data": None, "errors": told})
                return
            elif kind == "complete":
                return
        raise TransportError("the subgraph closed the connection", was_sent=True)


@asynccontextmanager
async def _connected(url: str) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter, str, str]]:
    """Connect to an address; closes at the end. Raises TransportError."""
    try:
        async with asyncio.timeout(_OPENING_S):
            if url.startswith("unix:"):
                reader, writer = await asyncio.open_unix_connection(url.removeprefix("unix:"))
                host, path = "localhost", "/graphql"
            else:
                parts = urlsplit(url)
                tls = ssl.create_default_context() if parts.scheme in ("https", "wss") else None
                port = parts.port or (443 if tls else 80)
                reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
                host = parts.netloc.rpartition("@")[2]
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    except (OSError, TimeoutError) as error:
        raise TransportError(f"cannot connect: {error}", was_sent=False) from error
    try:
        yield reader, writer, host, path
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise TransportError(f"the stream broke: {error!r}", was_sent=True) from error
    finally:
        writer.close()


class _Body:
    """The body of one HTTP reply as it comes, by httptools' callbacks."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.content_type = b""
        self.is_open = self.is_whole = False
        self.buffer = bytearray()

    async def more(self, reader: asyncio.StreamReader) -> None:
        """Read on. Raises TransportError at what is not HTTP, and when too much is kept."""
        data = await reader.read(_CHUNK)
        if not data:
            if not self.is_open:
                raise TransportError("closed before an answer", was_sent=True)
            self.is_whole = True
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise TransportError(f"not HTTP: {error}", was_sent=True) from error
        if len(self.buffer) > _EVENT_BYTES:
            raise TransportError("an event is too large", was_sent=True)

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: a header."""
        if name.lower() == b"content-type":
            self.content_type = value.lower()

    def on_headers_complete(self) -> None:
        """httptools: the headers are whole."""
        self.status = self._parser.get_status_code()
        self.is_open = True

    def on_body(self, body: bytes) -> None:
        """httptools: a part of the body."""
        self.buffer += body

    def on_message_complete(self) -> None:
        """httptools: the reply is whole."""
        self.is_whole = True


async def _events(parts: _Body, reader: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, bytes]]:
    """Yield (event name, data) of each server-sent event."""
    while True:
        text = bytes(parts.buffer).replace(b"\r\n", b"\n")
        *blocks, rest = text.split(b"\n\n")
        parts.buffer[:] = rest
        for block in blocks:
            name, data = b"message", b""
            for line in block.split(b"\n"):
                field, _, value = line.partition(b":")
                if field == b"event":
                    name = value.strip()
                elif field == b"data":
                    data += value.strip()
            yield name, data
        if parts.is_whole:
            return
        await parts.more(reader)


class _Socket:
    """A WebSocket connection's client side; every message is JSON text."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._wire = WSConnection(ConnectionType.CLIENT)

    async def open(self, host: str, path: str, headers: Iterable[tuple[str, str]]) -> None:
        extra = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        self._writer.write(
            self._wire.send(Request(host=host, target=path, subprotocols=[_SUBPROTOCOL], extra_headers=extra))
        )
        while True:
            self._receive(await self._reader.read(_CHUNK))
            for event in self._wire.events():
                if isinstance(event, AcceptConnection):
                    return
                if isinstance(event, RejectConnection):
                    raise TransportError(f"no WebSocket: status {event.status_code}", was_sent=False)

    def send(self, message: dict[str, Any]) -> None:
        self._writer.write(self._wire.send(TextMessage(orjson.dumps(message).decode())))

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield messages, answering pings, until the other side closes."""
        text = ""
        while True:
            for event in self._wire.events():
                if isinstance(event, Ping):
                    self._writer.write(self._wire.send(event.response()))
                elif isinstance(event, CloseConnection):
                    return
                elif isinstance(event, TextMessage):
                    text += event.data
                    if event.message_finished:
                        message, text = _message(text), ""
                        if message.get("type") == "ping":
                            self.send({"type": "pong"})
                        yield message
            if len(text) > _EVENT_BYTES:
                raise TransportError("an event is too large", was_sent=True)
            data = await self._reader.read(_CHUNK)
            if not data:
                return
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        if not data:
            raise TransportError("closed before an answer", was_sent=True)
        try:
            self._wire.receive_data(data)
        except ProtocolError as error:
            raise TransportError(f"not WebSocket: {error}", was_sent=True) from error


def _message(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except ValueError as error:
        raise TransportError("a message is not JSON", was_sent=True) from error
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
