"""How a fetch leaves: to a module that is ready, within its bounds, with a token for it and this request alone."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

import msgspec
import structlog

from router.errors import BadAnswer, DeadlineExceeded, ModuleUnavailable, NotEntitled, Overloaded, Unavailable
from router.execution.run import Answer
from router.execution.transport import Reply, Transport, TransportError
from router.gateway.access.modules import Modules
from router.gateway.breaker import Breaker
from router.gateway.bulkhead import Bulkheads
from router.gateway.observe.metrics import Metrics
from router.gateway.observe.telemetry import Trace
from router.gateway.served import Destination
from router.gateway.settings import Settings
from router.gateway.signing import Signer
from shared.wire.principal import Principal

_JSON = (("content-type", "application/json"), ("accept", "application/graphql-response+json, application/json"))
_GRAPHQL_STATUS = (
    200,
    400,
    403,
)  # whose body says what is wrong; 401 is no word about the client: our token was refused
_PAUSE_S = (0.01, 0.05)
_FAIR_S = 1.0

log = structlog.get_logger()


class Caller(msgspec.Struct, frozen=True):
    """For whom a request is made; `principal` is None in a plain router.

    Queries may be sent twice, and commands with an idempotency key.
    """

    principal: Principal | None
    trace: Trace
    may_repeat: bool


LocalAnswer = Callable[[bytes, Caller], Awaitable[bytes]]
"""(JSON request body, for whom) -> the JSON answer of a subgraph inside this process."""


Receipts = dict[str, Mapping[str, str]]
"""The id and status of what waits, by the field's name in the answer."""

Behind = dict[str, Receipts]
"""What waits for each module of the fields of one operation."""


class Queue(Protocol):
    """Lets mutations wait whose module can't take them."""

    async def send(
        self, module: str, body: bytes, caller: Caller, behind: Behind, direct: Callable[[bool], Awaitable[bytes]]
    ) -> bytes:
        """Return what `direct` answers (it is told whether it may send twice), or receipts. Raises Unavailable."""
        ...


class Fetcher:
    """Carries requests to modules. One for the process: it holds the connections and the bounds.

    `queue` and `local`, the subgraphs of this process by name, are given by the application where it has them.
    """

    def __init__(self, *, modules: Modules, signer: Signer | None, metrics: Metrics, settings: Settings) -> None:
        """Send to what `modules` says is ready; without a `signer` (a plain router) no token goes along."""
        self.queue: Queue | None = None
        self.local: Mapping[str, LocalAnswer] = {}
        self._modules = modules
        self._signer = signer
        self._metrics = metrics
        self._settings = settings
        self._bulkheads = Bulkheads(settings) if signer else None
        self._breakers: dict[str, Breaker] = {}
        self._transport = Transport()

    async def graphql(
        self, destination: Destination, body: bytes, *, subgraph: str, seconds: float, caller: Caller
    ) -> bytes:
        """Return a subgraph's answer to a GraphQL request. Raises Unavailable or BadAnswer."""
        module = destination.module or subgraph
        if module in self.local:
            return await self.local[module](body, caller)
        must_be_entitled(destination, caller)
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
        """Send before the loop's time `ends`, and once more where the connection broke and the request may be repeated."""
        breaker = self._breakers.get(request.module)
        if breaker is None:
            clock = asyncio.get_running_loop().time
            breaker = self._breakers[request.module] = Breaker(request.module, clock)
        try:
            return await self._try(destination, request, ends, caller, breaker)
        except ModuleUnavailable as error:
            broke = isinstance(error.__cause__, TransportError)
            if not (broke and (caller.may_repeat or not error.was_sent) and breaker.may_repeat()):
                raise
            was_sent = error.was_sent
        await asyncio.sleep(random.uniform(*_PAUSE_S))  # noqa: S311 no secret
        try:
            return await self._try(destination, request, ends, caller, breaker)
        except Unavailable as error:
            error.was_sent |= was_sent
            raise

    async def _try(
        self, destination: Destination, request: "_Request", ends: float, caller: Caller, breaker: Breaker
    ) -> Reply:
        """Wait until the module is ready and has a place, then send."""
        began: float | None = None
        try:
            if destination.module:
                await self._modules.ready(destination.module, ends)
            breaker.admit(self._modules.started_at(request.module))
            async with self._place(request.module, caller, ends):
                began = asyncio.get_running_loop().time()
                reply = await self._transport.request(
                    destination.url,
                    target=request.target,
                    method=request.method,
                    headers=(*request.headers, *self._token(destination, request.body, ends - began, caller)),
                    body=request.body,
                    until=ends,
                )
        except TimeoutError as error:
            if began is not None and ends - began >= _FAIR_S:  # less time than that says nothing of the module
                breaker.failed()
            raise DeadlineExceeded(request.module, was_sent=began is not None) from error
        except TransportError as error:
            breaker.failed()
            reference = caller.trace.request_id
            log.warning("module_unreachable", module=request.module, error=str(error), reference=reference)
            raise ModuleUnavailable(request.module, was_sent=error.was_sent) from error
        breaker.succeeded()
        return reply

    def _place(self, module: str, caller: Caller, until: float) -> AbstractAsyncContextManager[None]:
        tenant = caller.principal.tenant if caller.principal else None
        return self._bulkheads.place(module, tenant, until) if self._bulkheads else nullcontext()

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def _token(self, destination: Destination, body: bytes, left: float, caller: Caller) -> tuple[tuple[str, str], ...]:
        """Return the authorization header for a module of ours; a foreign subgraph learns nothing of the caller."""
        if not (self._signer and caller.principal and destination.module):
            return ()
        bearer = self._signer.bearer(caller.principal, module=destination.module, body=body, seconds=left)
        return (("authorization", bearer),)


def must_be_entitled(destination: Destination, caller: Caller) -> None:
    """Raise NotEntitled for a module that the caller's key is not for."""
    if caller.principal and destination.module and not caller.principal.is_entitled(destination.module):
        raise NotEntitled(destination.module)


class _Request(msgspec.Struct, frozen=True):
    module: str
    method: str
    target: str | None
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Sender:
    """The executor's `Send` for one request."""

    __slots__ = ("_behind", "_caller", "_destinations", "_fetcher")

    def __init__(self, fetcher: Fetcher, destinations: dict[str, Destination], caller: Caller) -> None:
        """Send for `caller`, through `fetcher`."""
        self._fetcher = fetcher
        self._destinations = destinations
        self._caller = caller
        self._behind: Behind = {}

    def __call__(self, subgraph: str, body: bytes, seconds: float) -> Awaitable[bytes]:
        """Return the subgraph's answer, or receipts of what waits for it. Raises Unavailable or BadAnswer."""
        fetcher, caller, destination = self._fetcher, self._caller, self._destinations[subgraph]
        queue, module = fetcher.queue, destination.module
        if queue is None or caller.may_repeat or not module or module in fetcher.local:
            return fetcher.graphql(destination, body, subgraph=subgraph, seconds=seconds, caller=caller)
        ends = asyncio.get_running_loop().time() + seconds

        def direct(may_repeat: bool) -> Awaitable[bytes]:
            left = ends - asyncio.get_running_loop().time()
            told = msgspec.structs.replace(caller, may_repeat=may_repeat)
            return fetcher.graphql(destination, body, subgraph=subgraph, seconds=left, caller=told)

        return queue.send(module, body, caller, self._behind, direct)

    def tell_of_receipts(self, answer: Answer) -> None:
        """Put what waits into the extensions of an answer whose data can't say so: a later field was null and may not be."""
        if answer.data is None and self._behind:
            receipts = {field: receipt for waiting in self._behind.values() for field, receipt in waiting.items()}
            answer.extensions = {"receipts": receipts}


def _retry_after_ms(reply: Reply) -> int | None:
    value = reply.headers.get(b"retry-after", b"")
    return int(value) * 1000 if value.isdigit() else None
