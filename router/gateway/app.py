"""The ASGI application, put together: the one place that knows all parts."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import structlog
from anyio.abc import TaskGroup
from nats.aio.client import Client

from router.errors import Defect, RouterError
from router.gateway.access.gate import Gate
from router.gateway.access.identity import Identity
from router.gateway.access.modules import AlwaysReady, SupervisedModules
from router.gateway.access.origins import Origins
from router.gateway.access.pages import Pages
from router.gateway.access.peers import Proxies
from router.gateway.access.revocations import Revocations
from router.gateway.access.sign_in import JWKS_PATH, SignIn
from router.gateway.commands.assembly import Commands
from router.gateway.commands.connection import GATEWAY
from router.gateway.errors import MethodNotAllowed, NoSuchPath
from router.gateway.fetching import Fetcher
from router.gateway.masking import masked_message
from router.gateway.observe.audit import AuditTrail
from router.gateway.observe.health import live, readiness
from router.gateway.observe.metrics import Metrics
from router.gateway.observe.scraping import Scraping
from router.gateway.observe.telemetry import trace_of
from router.gateway.pipeline import Pipeline
from router.gateway.protocol.asgi import (
    ClientGone,
    Receive,
    Request,
    Response,
    Scope,
    SendMessage,
    Streamed,
    in_place_of_socket,
    peer_of,
    respond,
    respond_in_pieces,
    with_headers,
)
from router.gateway.protocol.graphiql import GraphiQL
from router.gateway.protocol.http import refusal
from router.gateway.protocol.websocket import WebSockets
from router.gateway.served import ServedGraph, module_destination
from router.gateway.settings import Settings, settings_of
from router.gateway.shedding import Door, Standing
from router.gateway.signing import Signer
from router.gateway.streaming import Streamer
from router.gateway.subscriptions import Subscriptions
from shared.clock import SystemClock, clock_from
from shared.wire.bootstrap import RouterBootstrap
from shared.wire.renewal import Told

Handler = Callable[[Request], Awaitable[Response | Streamed]]
Task = Callable[[], Coroutine[Any, Any, None]]

log = structlog.get_logger()
_NO_LIMIT = 2**62


class Gateway:
    """The ASGI application: a table of paths, and tasks that live as long as the server."""

    def __init__(
        self,
        *,
        served: ServedGraph,
        fetcher: Fetcher,
        sockets: WebSockets,
        origins: Origins,
        audit: AuditTrail,
        paths: dict[str, Handler],
        tasks: list[Task],
        revocations: Revocations | None = None,
        commands: Commands | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        """Take the parts. A path that ends in `/` answers for all below it."""
        self.served = served
        self.revocations = revocations
        self.commands = commands
        self._sockets = sockets
        self._origins = origins
        self._audit = audit
        self._proxies = proxies or Proxies(())
        self._fetcher = fetcher
        self._paths = paths
        self._tasks = tasks

    async def __call__(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        """Answer one ASGI scope."""
        scope = self._proxies.seen(scope)
        if scope["type"] == "http":
            await self._answer(Request(scope, receive), send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._connect(scope, receive, send)

    async def _answer(self, request: Request, send: SendMessage) -> None:
        send = with_headers(send, self._origins.headers(request))
        try:
            self._origins.check_host(request)
            response = self._origins.preflight(request) or await self._handler(request.path)(request)
            if isinstance(response, Streamed):
                await respond_in_pieces(request, send, response)
                return
        except RouterError as error:
            self._audit.refused(error, request)
            response = refusal(error)
        except ClientGone:
            return
        except Exception:
            reference = trace_of(None).request_id
            log.exception("request_failed", reference=reference, path=request.path)
            response = refusal(Defect(masked_message(None, reference)))
        await respond(send, response)

    async def _connect(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        """Open a WebSocket; a refused handshake is answered like any other request."""
        await receive()
        request = Request({**scope, "method": "WebSocket"}, receive)
        try:
            self._origins.check_host(request)
            if request.path != "/graphql":
                raise NoSuchPath
            self._sockets.check(scope)
        except RouterError as error:
            self._audit.refused(error, request)
            await respond(in_place_of_socket(send), refusal(error))
            return
        await self._sockets.serve(scope, receive, send)

    def turned_away(self, error: RouterError, scope: Scope) -> None:
        """Note that what came on a connection was refused before there was a request."""
        self._audit.turned_away(error.code, "HTTP", peer_of(self._proxies.seen(scope)) or None)

    def _handler(self, path: str) -> Handler:
        below = path[: path.find("/", 1) + 1]
        handler = self._paths.get(path) or self._paths.get(below)
        if handler is None:
            raise NoSuchPath
        return handler

    async def _live(self, receive: Receive, send: SendMessage) -> None:
        await receive()
        async with anyio.create_task_group() as group:
            for task in self._tasks:
                group.start_soon(task)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            group.cancel_scope.cancel()
        self._fetcher.close()
        await send({"type": "lifespan.shutdown.complete"})


def make_app(bootstrap: RouterBootstrap, settings: Settings | None = None) -> Gateway:
    """Return the application of a router worker.

    Raises InvalidSupergraph or OSError where the supergraph can't be read, ValueError for a wrong clock setting.
    """
    settings = settings or settings_of(bootstrap)
    metrics = Metrics()
    clock = clock_from(bootstrap.clock, test_data=bootstrap.test_data)
    served = ServedGraph(Path(bootstrap.supergraph), module_url=bootstrap.module_url, data=Path(bootstrap.data))
    modules = SupervisedModules(bootstrap.supervisor_socket) if bootstrap.supervisor_socket else AlwaysReady()
    told = Told(bootstrap)
    signer = Signer(told, clock)
    fetcher = Fetcher(modules=modules, signer=signer, metrics=metrics, settings=settings)
    sign_in = SignIn(fetcher, module_destination("identity", bootstrap.module_url), settings)
    commands = None
    if bootstrap.nats_url is not None:
        commands = Commands(
            told,
            fetcher=fetcher,
            served=served,
            modules=modules,
            signer=signer,
            clock=clock,
            settings=settings,
        )

    def line() -> object:
        return commands.connection.line if commands else None

    revocations = Revocations(sign_in.revocations, line=line, clock=clock, settings=settings)
    pages = Pages(sign_in.pages, line=line, settings=settings)
    origins = Origins(settings, pages)
    identity = Identity(
        store=Path(bootstrap.data) / "jwks.json",
        fetch=sign_in.keys,
        exchange=sign_in.facts_of,
        revocations=revocations,
        clock=clock,
        settings=settings,
    )
    local = {GATEWAY: commands.subgraph.events} if commands else {}
    streamer = Streamer(modules=modules, signer=signer, settings=settings, local=local)
    gate = Gate(settings)
    audit = AuditTrail(commands.connection if commands else None, clock)
    streams = Subscriptions(
        served=served, gate=gate, fetcher=fetcher, streamer=streamer, settings=settings, audit=audit
    )
    standing = Standing(settings)
    pipeline = Pipeline(
        served=served,
        gate=gate,
        identity=identity,
        fetcher=fetcher,
        streams=streams,
        metrics=metrics,
        settings=settings,
        audit=audit,
        origins=origins,
        standing=standing,
    )
    graphiql = GraphiQL(served=served, identity=identity, gate=gate, origins=origins, settings=settings)
    door = Door(settings)
    proxies = Proxies(settings.proxies)
    paths: dict[str, Handler] = {
        "/graphql": door.bounded(pipeline.respond),
        "/graphiql": graphiql.respond,
        "/graphiql/": graphiql.respond,
        "/auth/": door.bounded(_audited(sign_in.respond, audit)),
        JWKS_PATH: _getting(identity.published),
        "/health/live": _getting(live),
        "/health/ready": _getting(readiness(modules)),
        "/metrics": Scraping(metrics, proxies=proxies, token=lambda: told.now.metrics_token).respond,
    }

    async def listen(client: Client, group: TaskGroup) -> None:
        await revocations.listen(client, group)
        await pages.listen(client, group)

    tasks: list[Task] = [
        served.follow,
        signer.follow,
        identity.follow,
        revocations.follow,
        pages.follow,
        streams.follow,
    ]
    if isinstance(modules, SupervisedModules):
        tasks.append(modules.follow)
    if commands is not None:
        tasks += [partial(commands.follow, listen), audit.follow]
    sockets = WebSockets(streams.answers, identity.session, audit=audit, origins=origins, standing=standing)
    return Gateway(
        served=served,
        fetcher=fetcher,
        sockets=sockets,
        origins=origins,
        audit=audit,
        paths=paths,
        tasks=tasks,
        revocations=revocations,
        commands=commands,
        proxies=proxies,
    )


def make_plain_app(supergraph: Path, settings: Settings | None = None, *, data: Path | None = None) -> Gateway:
    """Return a router for any federation supergraph: no identity, no modules, URLs as they stand in the SDL.

    Raises InvalidSupergraph or OSError.
    """
    settings = settings or Settings(
        cost=_NO_LIMIT, answer_bytes=_NO_LIMIT
    )  # of lists that say nothing of their size, ten are assumed: not for others' schemas
    metrics = Metrics()
    served = ServedGraph(supergraph, data=data)
    modules = AlwaysReady()
    fetcher = Fetcher(modules=modules, signer=None, metrics=metrics, settings=settings)
    streamer = Streamer(modules=modules, signer=None, settings=settings)
    gate = Gate(settings)
    audit = AuditTrail(None, SystemClock())
    origins = Origins(settings)
    streams = Subscriptions(
        served=served, gate=gate, fetcher=fetcher, streamer=streamer, settings=settings, audit=audit
    )
    standing = Standing(settings)
    pipeline = Pipeline(
        served=served,
        gate=gate,
        identity=None,
        fetcher=fetcher,
        streams=streams,
        metrics=metrics,
        settings=settings,
        audit=audit,
        origins=origins,
        standing=standing,
    )
    door = Door(settings)
    paths: dict[str, Handler] = {
        "/graphql": door.bounded(pipeline.respond),
        "/health/live": _getting(live),
        "/health/ready": _getting(readiness(modules)),
        "/metrics": Scraping(metrics, proxies=Proxies(()), token=lambda: None).respond,
    }
    sockets = WebSockets(streams.answers, None, audit=audit, origins=origins, standing=standing)
    return Gateway(
        served=served,
        fetcher=fetcher,
        sockets=sockets,
        origins=origins,
        audit=audit,
        paths=paths,
        tasks=[served.follow, streams.follow],
    )


def _audited(answer: Callable[[Request], Awaitable[Response]], audit: AuditTrail) -> Handler:
    """Return the handler of sign-in, whose outcomes are noted."""

    async def respond(request: Request) -> Response:
        response = await answer(request)
        audit.signed(request, response)
        return response

    return respond


def _getting(answer: Callable[[], Awaitable[Response]]) -> Handler:
    """Return the handler of a path that is only read."""

    async def respond_to_get(request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("GET")
        return await answer()

    return respond_to_get
