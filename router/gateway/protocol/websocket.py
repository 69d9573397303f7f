"""graphql-transport-ws: many operations over one WebSocket, each with its own id.

Source: the protocol's PROTOCOL.md, its close codes too. The token comes with `connection_init`, as
`{"authorization": "Bearer ..."}`; when it expires or is revoked the connection is closed with 4403.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, nullcontext, suppress
from functools import partial
from typing import Any, TypeAlias, cast

import msgspec
import structlog

from router.errors import BadRequest, Denied, DocumentError, Overloaded, RouterError
from router.gateway.access.credentials import Credentials
from router.gateway.access.identity import Session
from router.gateway.access.origins import Origins
from router.gateway.errors import RateExceeded
from router.gateway.masking import masked_message
from router.gateway.observe.audit import AuditTrail
from router.gateway.observe.telemetry import Trace, trace_of
from router.gateway.protocol.asgi import Receive, Scope, SendMessage, peer_of
from router.gateway.protocol.http import Operation
from router.gateway.shedding import Standing
from shared.wire.principal import Principal

SUBPROTOCOL = "graphql-transport-ws"
_INIT_S = 10.0
_TARGET = "WebSocket /graphql"
_GONE = 1006  # without a word
_TRY_LATER = 1013  # of RFC 6455's registry
_OPERATIONS = 100  # under way on one connection
_ID_CHARACTERS = 200  # each answer carries the id of its operation
_REFUSED = {  # what closes a connection for what its client did, as the audit log names it; a token's end is no refusal
    1002: "BAD_REQUEST",  # no frame of a WebSocket
    1007: "BAD_REQUEST",  # no UTF-8
    1009: "PAYLOAD_TOO_LARGE",
    4400: "BAD_REQUEST",
    4401: "UNAUTHENTICATED",
    4408: "REQUEST_TIMEOUT",
    4409: "BAD_REQUEST",
    4429: "RATE_LIMITED",
}
_REFUSED_BELOW = (1002, 1007, 1009)  # by the server, which closes by itself; other codes here are the client's words

SignIn: TypeAlias = Callable[[Credentials], Awaitable[Session]]
"""Says who shows credentials, and until when. Raises Denied or RateExceeded."""
Answers: TypeAlias = Callable[[Operation, Principal | None, Trace], AsyncGenerator[bytes]]

log = structlog.get_logger()


class _Closed(Exception):
    """The connection ends, with a close code and a reason; `is_over`: it has ended, by the client or by the server below."""

    def __init__(self, code: int, reason: str = "", *, is_over: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.is_over = is_over


class WebSockets:
    """Answers WebSocket connections; without a `sign_in` (a plain router) anybody may ask."""

    def __init__(
        self, answers: Answers, sign_in: SignIn | None, *, audit: AuditTrail, origins: Origins, standing: Standing
    ) -> None:
        """Take how operations are answered, who checks tokens, who is told of refusals, whose pages may connect, and how many."""
        self._standing = standing
        self._origins = origins
        self._answers = answers
        self._sign_in = sign_in
        self._audit = audit

    def check(self, scope: Scope) -> None:
        """Raise ForeignPage, BadRequest or Overloaded where no connection may be opened."""
        self._origins.check_connecting(scope)
        if SUBPROTOCOL not in scope.get("subprotocols", ()):
            raise BadRequest(f"WebSockets speak the subprotocol {SUBPROTOCOL} here.")
        self._standing.must_have_room()
        if refusal := self._standing.arrivals.refusal(peer_of(scope)):
            raise refusal

    async def serve(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        """Serve one connection until it is closed."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        peer = peer_of(scope)
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        shown = Credentials(None, peer, headers.get(b"origin"))
        sign_in = partial(self._signing_in, host=headers.get(b"host")) if self._sign_in else None
        connection = _Connection(self._answers, sign_in, headers, shown, receive, send, self._audit, self._standing)
        ended = await connection.serve()
        if ended.code in (_REFUSED_BELOW if ended.is_over else _REFUSED):
            self._audit.turned_away(_REFUSED[ended.code], _TARGET, peer or None, connection.principal)
        if not ended.is_over:
            with suppress(OSError):  # the client went in the meantime
                await send({"type": "websocket.close", "code": ended.code, "reason": ended.reason})

    async def _signing_in(self, shown: Credentials, *, host: bytes | None) -> Session:
        assert self._sign_in is not None
        try:
            session = await self._sign_in(shown)
            self._origins.check_page(session.principal, shown.origin, host)
            self._standing.must_have_room()
            self._standing.must_have_share(session.principal.tenant)
        except (Denied, RateExceeded) as error:
            self._audit.turned_away(error.code, _TARGET, shown.peer or None)
            raise
        principal = msgspec.structs.replace(session.principal, address=shown.peer or None)
        return msgspec.structs.replace(session, principal=principal)


class _Connection:
    def __init__(
        self,
        answers: Answers,
        sign_in: SignIn | None,
        headers: dict[bytes, bytes],
        shown: Credentials,
        receive: Receive,
        send: SendMessage,
        audit: AuditTrail,
        standing: Standing,
    ) -> None:
        self._standing = standing
        self._audit = audit
        self._answers = answers
        self._sign_in = sign_in
        self._headers = headers
        self._shown = shown  # without the token, which comes with the first message
        self._receive = receive
        self._send = send
        self.principal: Principal | None = None
        self._running: dict[str, asyncio.Task[None]] = {}

    async def serve(self) -> _Closed:
        """Read messages until the end, and return why it came; every operation is a task of this connection."""
        ended = _Closed(_GONE, is_over=True)
        try:
            async with asyncio.TaskGroup() as tasks:
                with self._standing.arrivals.counted(self._shown.peer):
                    await self._initialise(tasks)
                tenant = self.principal.tenant if self.principal else None
                with self._standing.counted(), self._standing.held(tenant) if tenant else nullcontext():
                    while True:
                        await self._follow(tasks, await self._message())
        except* _Closed as group:
            ended = cast("_Closed", group.exceptions[0])
        return ended

    async def _follow(self, tasks: asyncio.TaskGroup, message: dict[str, Any]) -> None:
        kind, number = message.get("type"), message.get("id")
        if isinstance(number, str) and len(number) > _ID_CHARACTERS:
            raise _Closed(4400, "Invalid message")
        if kind == "ping":
            await self._tell("pong")
        elif kind == "subscribe" and isinstance(number, str):
            self._start(tasks, number, message.get("payload"))
        elif kind == "complete" and isinstance(number, str):
            task = self._running.pop(number, None)
            if task is not None:
                task.cancel()
        elif kind == "connection_init":
            raise _Closed(4429, "Too many initialisation requests")
        elif kind != "pong":
            raise _Closed(4400, "Invalid message")

    async def _initialise(self, tasks: asyncio.TaskGroup) -> None:
        try:
            async with asyncio.timeout(_INIT_S):
                message = await self._message()
                while message.get("type") in ("ping", "pong"):
                    message = await self._message()
        except TimeoutError as error:
            raise _Closed(4408, "Connection initialisation timeout") from error
        if message.get("type") != "connection_init":
            raise _Closed(4401, "Unauthorized")
        if self._sign_in is not None:
            try:
                token = self._credential(message.get("payload"))
                session = await self._sign_in(msgspec.structs.replace(self._shown, authorization=token))
            except (Denied, RateExceeded) as error:
                raise _Closed(4403, "Forbidden") from error
            except Overloaded as error:
                raise _Closed(_TRY_LATER, "Too many connections") from error
            self.principal = session.principal
            tasks.create_task(_close_when(session.over))
        await self._tell("connection_ack")

    def _credential(self, payload: object) -> bytes | None:
        if isinstance(payload, dict):
            given = cast("dict[str, Any]", payload)
            for name in ("authorization", "Authorization"):
                if isinstance(given.get(name), str):
                    return given[name].encode("latin-1", "replace")
        return self._headers.get(b"authorization")

    def _start(self, tasks: asyncio.TaskGroup, number: str, payload: object) -> None:
        if number in self._running:
            raise _Closed(4409, f"Subscriber for {number[:64]} already exists")
        if len(self._running) >= _OPERATIONS:
            raise _Closed(4429, "Too many operations")
        try:
            operation = msgspec.convert(payload, Operation)
        except msgspec.ValidationError as error:
            raise _Closed(4400, "Invalid message") from error
        self._running[number] = tasks.create_task(self._run(number, operation))

    async def _run(self, number: str, operation: Operation) -> None:
        trace = trace_of(None)
        tenant = self.principal.tenant if self.principal else None
        try:
            answers = self._standing.stream(self._answers(operation, self.principal, trace), tenant)
            async with aclosing(answers) as opened:
                async for answer in opened:
                    await self._tell("next", number, msgspec.Raw(answer))
            await self._tell("complete", number)
        except RouterError as error:
            self._audit.refused_on(_TARGET, error, self.principal)
            errors = error.errors if isinstance(error, DocumentError) else [error.formatted()]
            await self._tell("error", number, errors)
        except _Closed:
            raise
        except Exception:
            log.exception("operation_failed", reference=trace.request_id)
            shown = {"message": masked_message(None, trace.request_id), "extensions": {"code": "INTERNAL"}}
            await self._tell("error", number, [shown])
        finally:
            if self._running.get(number) is asyncio.current_task():
                del self._running[number]

    async def _tell(self, kind: str, number: str | None = None, payload: object = None) -> None:
        message: dict[str, object] = {"type": kind}
        if number is not None:
            message["id"] = number
        if payload is not None:
            message["payload"] = payload
        try:
            await self._send({"type": "websocket.send", "text": msgspec.json.encode(message).decode()})
        except OSError as error:  # the client went while it was told something
            raise _Closed(_GONE, is_over=True) from error

    async def _message(self) -> dict[str, Any]:
        given = await self._receive()
        if given["type"] == "websocket.disconnect":
            raise _Closed(given.get("code", _GONE), is_over=True)
        try:
            return msgspec.json.decode(given.get("text") or "", type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError) as error:
            raise _Closed(4400, "Invalid message") from error


async def _close_when(over: Callable[[], Awaitable[None]]) -> None:
    await over()
    raise _Closed(4403, "Forbidden")
