"""A module's ASGI application: it accepts the router's internal token and nothing else (architecture.md, wall 2)."""

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec
import orjson
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.clock import Clock, new_id
from shared.database.transaction import Database
from shared.errors import AnswerTooLarge, Denied, InvalidInput, MewayzError, NotEntitled, Unauthenticated
from shared.graph.context import RequestContext
from shared.hosting.documents import Documents
from shared.hosting.errors import shown
from shared.module import Module
from shared.module.http import HttpAnswer, HttpRequest, Route
from shared.wire.bootstrap import ModuleBootstrap
from shared.wire.envelope import Cause, correlation_of
from shared.wire.token import InternalToken, Once, verify_internal

log = structlog.get_logger()
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_MAX_BODY = 4 * 1024 * 1024
_MAX_ANSWER = 4 * 1024 * 1024  # security.md, F; the router would take one of 64 MiB for a module that is broken
_JSON = (b"content-type", b"application/json")


class GraphQLRequest(msgspec.Struct, frozen=True, rename="camel"):
    """The body of POST /graphql."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None


_decode = msgspec.json.Decoder(GraphQLRequest).decode


class DeadlinePassed(MewayzError):
    """The caller is no longer waiting."""

    code = "DEADLINE"


class Endpoint:
    """Answers /graphql and the module's own routes."""

    def __init__(
        self,
        module: Module,
        database: Database,
        clock: Clock,
        keys: Mapping[str, Ed25519PublicKey],
        bootstrap: ModuleBootstrap,
        extras: Mapping[str, Any],
    ) -> None:
        """Serve `module` from `database`; `keys` are the router's public keys by `kid`."""
        self._module = module
        self._database = database
        self._clock = clock
        self._keys = keys
        self._bootstrap = bootstrap
        self._extras = extras
        self._once = Once()
        self.documents = Documents(module)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        assert scope["type"] == "http"
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            body = await _read_body(receive)
            token = verify_internal(
                headers.get("authorization", "").removeprefix("Bearer "),
                self._keys,
                audience=self._module.slug,
                body=body,
                clock=self._clock,
            )
            self._once.must_be_new(token)
            if token.deadline < time.time():
                raise DeadlinePassed("The time for this request is over: repeat it with more time.")
            answer = await self._answer(scope, headers, body, token)
        except MewayzError as error:
            if isinstance(error, Denied):  # nobody but the gateway comes this far: it tells the audit log of its own
                log.warning("request_refused", module=self._module.slug, code=error.code, path=scope["path"])
            answer = HttpAnswer(_status(error), {"errors": [shown(error, self._module.slug)]})
        payload = (
            answer.body if isinstance(answer.body, bytes) else b"" if answer.body is None else orjson.dumps(answer.body)
        )
        extra = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
        length = (b"content-length", str(len(payload)).encode())
        await send({"type": "http.response.start", "status": answer.status, "headers": [_JSON, length, *extra]})
        await send({"type": "http.response.body", "body": payload})

    async def _answer(self, scope: Scope, headers: Mapping[str, str], body: bytes, token: InternalToken) -> HttpAnswer:
        if scope["path"] == "/graphql" and scope["method"] == "POST":
            return HttpAnswer(200, await self._graphql(headers, body, token))
        found = self._route(scope["method"], scope["path"])
        if found is None:
            return HttpAnswer(
                404, {"errors": [{"message": "There is nothing here.", "extensions": {"code": "NOT_FOUND"}}]}
            )
        query = scope["query_string"].decode("latin-1")
        return await found(
            HttpRequest(
                token, scope["path"], query, headers, body, self._database, self._clock, self._bootstrap, self._extras
            )
        )

    def _route(self, method: str, path: str) -> Route | None:
        routes = self._module.routes
        if found := routes.get((method, path)):
            return found
        stars = (
            target
            for (verb, start), target in routes.items()
            if verb == method and start.endswith("*") and path.startswith(start[:-1])
        )
        return next(stars, None)

    async def _graphql(self, headers: Mapping[str, str], body: bytes, token: InternalToken) -> bytes:
        if token.principal.tenant is None:
            raise Unauthenticated("the token names no tenant")
        if not token.principal.is_entitled(self._module.slug):
            raise NotEntitled(self._module.slug)
        try:
            request = _decode(body)
        except msgspec.MsgspecError as error:
            raise InvalidInput(f"The request body is no GraphQL request: {error}.") from error
        trace = headers.get("traceparent")
        cause = Cause(correlation_id=correlation_of(trace) or new_id(self._clock.now()), traceparent=trace)
        left_s = token.deadline - time.time()
        async with self._database.transaction(token.principal, cause, timeout_s=min(left_s, 5.0)) as tx:
            context = RequestContext(self._module.slug, self._database, tx, cause, token.deadline)
            result = await self.documents.execute(request.query, request.variables, request.operation_name, context)
        answer = orjson.dumps(result, default=str)
        if len(answer) > _MAX_ANSWER:
            return orjson.dumps({"errors": [shown(AnswerTooLarge(_MAX_ANSWER), self._module.slug)]})
        return answer


def _status(error: MewayzError) -> int:
    if isinstance(error, Unauthenticated):
        return 401
    if isinstance(error, Denied):
        return 403
    if isinstance(error, InvalidInput):
        return 400
    return 504 if isinstance(error, DeadlinePassed) else 500


async def _read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > _MAX_BODY:
            raise InvalidInput(f"The request body is larger than {_MAX_BODY} bytes.")
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
