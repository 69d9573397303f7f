"""How a subscription is opened at a subgraph: by server-sent events, or by WebSocket where it has none."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

import structlog

from router.errors import ModuleUnavailable
from router.execution.streams import NoEventStream, server_sent_events, web_socket_events
from router.execution.transport import TransportError
from router.gateway.access.modules import Modules
from router.gateway.fetching import Caller, must_be_entitled
from router.gateway.served import Destination
from router.gateway.settings import Settings
from router.gateway.signing import Signer

LocalStream = Callable[[bytes, Caller], AsyncGenerator[bytes]]
"""(JSON request body, for whom) -> the JSON of each event, from a subgraph inside this process."""

log = structlog.get_logger()


class Streamer:
    """Opens subscriptions. One for the process; it remembers which subgraphs want a WebSocket."""

    def __init__(
        self,
        *,
        modules: Modules,
        signer: Signer | None,
        settings: Settings,
        local: Mapping[str, LocalStream] | None = None,
    ) -> None:
        """Take what is ready, who signs (None: a plain router), and the streams of this process by module slug."""
        self._modules = modules
        self._signer = signer
        self._settings = settings
        self._local = local or {}
        self._by_socket: set[str] = set()

    async def events(
        self, destination: Destination, body: bytes, *, subgraph: str, caller: Caller
    ) -> AsyncGenerator[bytes]:
        """Yield the JSON of each event. Raises ModuleUnavailable where the stream can't be had, or breaks."""
        module = destination.module or subgraph
        must_be_entitled(destination, caller)
        local = self._local.get(module)
        events = self._remote(destination, body, module, caller) if local is None else local(body, caller)
        try:
            async with aclosing(events) as opened:
                async for event in opened:
                    yield event
        except (TransportError, TimeoutError) as error:
            log.warning("stream_broke", module=module, error=str(error), reference=caller.trace.request_id)
            raise ModuleUnavailable(module) from error

    async def _remote(
        self, destination: Destination, body: bytes, module: str, caller: Caller
    ) -> AsyncGenerator[bytes]:
        if destination.module:
            until = asyncio.get_running_loop().time() + self._settings.module_timeout_s
            await self._modules.ready(destination.module, until)
        headers = (("traceparent", caller.trace.traceparent), *self._token(destination, body, caller))
        if destination.url not in self._by_socket and not destination.url.startswith("ws"):
            try:
                async with aclosing(server_sent_events(destination.url, headers=headers, body=body)) as opened:
                    async for event in opened:
                        yield event
                return
            except NoEventStream as error:
                if error.status == 200 and error.body.lstrip()[:1] == b"{":  # a GraphQL answer: mostly errors
                    yield error.body
                    return
                if destination.module or destination.url.startswith("unix:"):
                    raise
                self._by_socket.add(destination.url)
        async with aclosing(web_socket_events(destination.url, headers=headers, body=body)) as opened:
            async for event in opened:
                yield event

    def _token(self, destination: Destination, body: bytes, caller: Caller) -> tuple[tuple[str, str], ...]:
        if not (self._signer and caller.principal and destination.module):
            return ()
        seconds = self._settings.module_timeout_s
        bearer = self._signer.bearer(caller.principal, module=destination.module, body=body, seconds=seconds)
        return (("authorization", bearer),)
