"""Request and response, as values, over the ASGI callables.

This runs for every request, so it uses asyncio's own timeout and task group: anyio's cost five times as much.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import Any, TypeVar

import msgspec

from router.errors import RouterError
from router.gateway.errors import BodyTooLarge, TooSlow
from shared.wire.principal import Principal

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
SendMessage = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

Waiting = Callable[[str], AbstractContextManager[RouterError | None]]
"""Counts a body of this address that has yet to come; gives the refusal for one too many."""

T = TypeVar("T")

_BODY_S = 10.0
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_NEVER_KEPT = b"no-store"


class ClientGone(Exception):
    """The client closed the connection before its request was whole; there is nobody to answer."""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is ready to be sent whole; `cache` is its cache-control."""

    status: int = 200
    content_type: bytes = b"application/json; charset=utf-8"
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    cache: bytes = _NEVER_KEPT


class Streamed(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that comes in pieces; its length is not known."""

    content_type: bytes
    chunks: AsyncGenerator[bytes]
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Request:
    """One HTTP request. The body is read when it is asked for, within bounds of size and time."""

    __slots__ = ("_receive", "headers", "is_secure", "method", "path", "peer", "principal", "query", "waiting")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        """Read what `scope` says; of a header sent twice the last one counts."""
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.peer = peer_of(scope)
        self.is_secure: bool = scope.get("scheme") == "https"
        self.principal: Principal | None = None  # once it is known who asks
        self.waiting: Waiting = _unbounded
        self._receive = receive

    async def body(self, limit: int) -> bytes:
        """Return the body, at most `limit` bytes. Raises BodyTooLarge, TooSlow, Overloaded or ClientGone."""
        length = self.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > limit:
            raise BodyTooLarge(limit)
        with self.waiting(self.peer) as refusal:
            try:
                async with asyncio.timeout(0 if refusal else _BODY_S):  # at once: what is there already
                    return await self._read(limit)
            except TimeoutError as error:
                raise (refusal or TooSlow("The body", _BODY_S)) from error

    async def unless_gone(self, work: Awaitable[T]) -> T:
        """Return what `work` returns, cancelling it when the client closes the connection: then raises ClientGone.

        Only to be called after the body was read. A RouterError of `work` passes as it is.
        """
        results: list[T] = []
        failure: RouterError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                watcher = group.create_task(self._raise_when_gone())
                try:
                    results.append(await work)
                except RouterError as error:
                    failure = error
                watcher.cancel()
        except* ClientGone:
            pass
        if failure:
            raise failure
        if not results:
            raise ClientGone
        return results[0]

    async def _raise_when_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        raise ClientGone

    async def _read(self, limit: int) -> bytes:
        body = b""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            body += message.get("body", b"")
            if len(body) > limit:
                raise BodyTooLarge(limit)
            more = message.get("more_body", False)
        return body


def peer_of(scope: Scope) -> str:
    """Return the address of who is connected, empty where there is none."""
    return scope["client"][0] if scope.get("client") else ""


def _unbounded(_peer: str) -> AbstractContextManager[RouterError | None]:
    return nullcontext()


def with_headers(send: SendMessage, headers: tuple[tuple[bytes, bytes], ...]) -> SendMessage:
    """Return a `send` that adds headers to whatever answer begins."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *headers]}
        await send(message)

    return sending if headers else send


def in_place_of_socket(send: SendMessage) -> SendMessage:
    """Return a `send` that answers the handshake of a WebSocket over HTTP."""

    async def sending(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return sending


async def respond_in_pieces(request: Request, send: SendMessage, response: Streamed) -> None:
    """Send each piece as it comes; the work behind it ends when the client closes the connection."""
    headers = [
        (b"content-type", response.content_type),
        (b"cache-control", _NEVER_KEPT),
        *_ALWAYS,
        *response.headers,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def all_pieces() -> None:
        async with aclosing(response.chunks) as chunks:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    await request.unless_gone(all_pieces())


async def respond(send: SendMessage, response: Response) -> None:
    """Send `response` with the headers that every answer of the gateway carries."""
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", str(len(response.body)).encode()),
        (b"cache-control", response.cache),
        *_ALWAYS,
        *response.headers,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
