"""How a fetch leaves: to a module that is ready, within its bounds, with a token for it and this request alone."""

import asyncio
from contextlib import nullcontext

import msgspec
import structlog

from router.errors import BadAnswer, DeadlineExceeded, ModuleUnavailable, Overloaded, Unavailable
from router.execution.transport import Reply, Transport, TransportError
from router.gateway.access.modules import Modules
from router.gateway.bulkhead import Bulkheads
from router.gateway.observe.metrics import Metrics
from router.gateway.observe.telemetry import Trace
from router.gateway.served import Destination
from router.gateway.settings import Settings
from shared.clock import Clock, SystemClock
from shared.wire.principal import Principal
from shared.wire.token import SigningKey, sign_internal

_JSON = (("content-type", "application/json"), ("accept", "application/graphql-response+json, application/json"))
_GRAPHQL_STATUS = (
    200,
    400,
    403,
)  # whose body says what is wrong; 401 is no word about the client: our token was refused

log = structlog.get_logger()


class Signer:
    """Signs the internal tokens that this router's requests carry."""

    def __init__(self, key: SigningKey, clock: Clock) -> None:
        """Keep the private key, which no module sees."""
        self._key = key
        self._clock = clock
        self._real = SystemClock()

    def bearer(self, principal: Principal, *, module: str, body: bytes, seconds: float) -> str:
        """Return the header `authorization` of one request to `module` that may take `seconds`."""
        deadline = self._real.now().timestamp() + seconds
        token = sign_internal(
            self._key, principal, audience=module, body=body, deadline=deadline, via="router", clock=self._clock
        )
        return f"Bearer {token}"


class Caller(msgspec.Struct, frozen=True):
    """For whom a request is made; `principal` is None in a plain router. Queries alone may be sent twice."""

    principal: Principal | None
    trace: Trace
    may_repeat: bool


class Fetcher:
    """Carries requests to modules. One for the process: it holds the connections and the bounds."""

    def __init__(self, *, modules: Modules, signer: Signer | None, metrics: Metrics, settings: Settings) -> None:
        """Send to what `modules` says is ready; without a `signer` (a plain router) no token goes along."""
        self._modules = modules
        self._signer = signer
        self._metrics = metrics
        self._settings = settings
        self._bulkheads = Bulkheads(settings) if signer else None
        self._transport = Transport()

    async def graphql(
        self, destination: Destination, body: bytes, *, subgraph: str, seconds: float, caller: Caller
    ) -> bytes:
        """Return a subgraph's answer to a GraphQL request. Raises Unavailable or BadAnswer."""
        module = destination.module or subgraph
        headers = (*_JSON, ("traceparent", caller.trace.traceparent))
        reply = await self.exchange(
            destination, module=module, headers=headers, body=body, seconds=seconds, caller=caller
        )
        if reply.status in _GRAPHQL_STATUS:
            return reply.body
        if reply.status == 503:
            raise Overloaded(module, retry_after_ms=_retry_after_ms(reply))
        if reply.status == 504:
            raise DeadlineExceeded(module)
        log.error("module_refused", module=module, status=reply.status, reference=caller.trace.request_id)
        raise BadAnswer(module, f"status {reply.status}")

    async def exchange(
        self,
        destination: Destination,
        *,
        module: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes,
        seconds: float,
        caller: Caller,
        method: str = "POST",
        target: str | None = None,
    ) -> Reply:
        """Return what `module` answers within `seconds`, at most the module's own bound. Raises Unavailable."""
        began = asyncio.get_running_loop().time()
        ends = began + min(seconds - self._settings.deadline_margin_s, self._settings.module_timeout_s)
        request = _Request(module, method, target, headers, body)
        code = "GONE"
        try:
            reply = await self._send(destination, request, ends, caller)
            code = "OK" if reply.status < 500 else "FAILED"
            return reply
        except Unavailable as error:
            code = error.code
            raise
        finally:
            self._metrics.fetch(module, code, asyncio.get_running_loop().time() - began)

    async def _send(self, destination: Destination, request: "_Request", ends: float, caller: Caller) -> Reply:
        """Wait until the module is ready and has a place, then send; all before the loop's time `ends`."""
        try:
            async with asyncio.timeout_at(ends):
                if destination.module:
                    await self._modules.ready(destination.module)
                async with self._bulkheads.place(request.module) if self._bulkheads else nullcontext():
                    left = ends - asyncio.get_running_loop().time()
                    return await self._transport.request(
                        destination.url,
                        target=request.target,
                        method=request.method,
                        headers=(*request.headers, *self._token(destination, request.body, left, caller)),
                        body=request.body,
                        timeout_s=left,
                        may_repeat=caller.may_repeat,
                    )
        except TimeoutError as error:
            raise DeadlineExceeded(request.module) from error
        except TransportError as error:
            reference = caller.trace.request_id
            log.warning("module_unreachable", module=request.module, error=str(error), reference=reference)
            raise ModuleUnavailable(request.module) from error

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def _token(self, destination: Destination, body: bytes, left: float, caller: Caller) -> tuple[tuple[str, str], ...]:
        """Return the authorization header for a module of ours; a foreign subgraph learns nothing of the caller."""
        if not (self._signer and caller.principal and destination.module):
            return ()
        bearer = self._signer.bearer(caller.principal, module=destination.module, body=body, seconds=left)
        return (("authorization", bearer),)


class _Request(msgspec.Struct, frozen=True):
    module: str
    method: str
    target: str | None
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Sender:
    """The executor's `Send` for one request."""

    __slots__ = ("_caller", "_destinations", "_fetcher")

    def __init__(self, fetcher: Fetcher, destinations: dict[str, Destination], caller: Caller) -> None:
        """Send for `caller`, through `fetcher`."""
        self._fetcher = fetcher
        self._destinations = destinations
        self._caller = caller

    async def __call__(self, subgraph: str, body: bytes, seconds: float) -> bytes:
        """Return the subgraph's answer. Raises Unavailable or BadAnswer."""
        destination = self._destinations[subgraph]
        return await self._fetcher.graphql(destination, body, subgraph=subgraph, seconds=seconds, caller=self._caller)


def _retry_after_ms(reply: Reply) -> int | None:
    value = reply.headers.get(b"retry-after", b"")
    return int(value) * 1000 if value.isdigit() else None
