"""A small world around a real gateway: modules that verify internal tokens, a supervisor that pushes states."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import anyio
import msgspec
import orjson
import uvicorn
from anyio.abc import SocketListener, SocketStream, TaskGroup

from router.composition.compose import compose
from router.composition.subgraph import Subgraph
from router.execution.transport import Reply, Transport
from router.gateway.access.modules import SupervisedModules
from router.gateway.app import Gateway, make_app
from router.gateway.serving import PROTOCOLS
from router.gateway.settings import Settings
from shared.clock import SystemClock
from shared.wire.bootstrap import RouterBootstrap
from shared.wire.control import ModuleState, Request, States, Wake, Watch
from shared.wire.pages import AllPages, TenantPages
from shared.wire.principal import Principal
from shared.wire.revocation import Revocation, Revocations
from shared.wire.token import SigningKey, jwk, sign_access
from tests.router.gateway.module import CRM, INVOICING, KEYS, LINK, PAGES, REVOCATIONS, Module
from tests.waiting import PATIENCE_S

TENANT = UUID("0190a0e4-0000-7000-8000-000000000001")
OTHER_TENANT = UUID("0190a0e4-0000-7000-8000-000000000002")
USER = UUID("0190a0e4-0000-7000-8000-00000000000a")
ISSUER = "http://localhost:8000"

# What has to be quick is told so by its test: a module of a busy machine is not slow.
PATIENT = {"module_timeout_s": PATIENCE_S, "request_deadline_s": PATIENCE_S}


class Supervisor:
    """The supervisor's side of the control socket: pushes states, remembers wakes."""

    def __init__(self, path: Path, *modules: str) -> None:
        self.path = path
        self.states = dict.fromkeys(modules, ModuleState.READY)
        self.retry_after_ms: dict[str, int] = {}
        self.wakes: list[str] = []
        self.is_mute = False
        self.watchers: list[SocketStream] = []

    async def set(self, module: str, state: ModuleState) -> None:
        """Tell the watchers; World.told also waits until the gateway has heard it."""
        self.states[module] = state
        for watcher in self.watchers:
            await self._tell(watcher)

    async def drop_watchers(self) -> None:
        for watcher in self.watchers:
            await watcher.aclose()

    async def serve(self, stream: SocketStream) -> None:
        async with stream:
            pending = b""
            try:
                async for chunk in stream:
                    *lines, pending = (pending + chunk).split(b"\n")
                    for line in lines:
                        await self._hear(msgspec.json.decode(line, type=Request), stream)
            except anyio.ClosedResourceError:
                pass
            finally:
                if stream in self.watchers:
                    self.watchers.remove(stream)

    async def _hear(self, request: Request, stream: SocketStream) -> None:
        match request:
            case Watch():
                self.watchers.append(stream)
                await self._tell(stream)
            case Wake(module):
                self.wakes.append(module)
            case _:
                raise AssertionError(f"the gateway sent {request}")

    async def _tell(self, stream: SocketStream) -> None:
        if self.is_mute:
            return
        await stream.send(msgspec.json.encode(States(self.states, self.retry_after_ms)) + b"\n")


@dataclass
class World:
    """A gateway on a TCP port with its modules and supervisor, all in one loop, all over real sockets."""

    folder: Path
    group: TaskGroup
    settings: Settings
    listener: SocketListener = field(init=False)

    def __post_init__(self) -> None:
        self.router_key = SigningKey.generate()
        self.identity_key = SigningKey.generate()
        self.crm = Module("crm", CRM, self.router_key)
        self.invoicing = Module("invoicing", INVOICING, self.router_key)
        self.identity = Module("identity", "type Query { me: String }", self.router_key)
        self.revoked: list[Revocation] = []
        self.pages: list[TenantPages] = []
        self.identity.routes[REVOCATIONS] = lambda _: (200, [], encode_revocations(self.revoked))
        self.identity.routes[PAGES] = lambda _: (200, [], msgspec.json.encode(AllPages(tenants=self.pages)))
        self.identity.routes[KEYS] = lambda _: (200, [], self.jwks())
        self.supervisor = Supervisor(self.folder / "supervisor.sock", "crm", "invoicing", "identity")
        self.client = Transport()
        self._servers: dict[str, uvicorn.Server] = {}

    async def start(self, *modules: Module) -> Self:
        """Start the supervisor, these modules (all, if none is named) and the gateway."""
        self.group.start_soon(self.listener.serve, self.supervisor.serve)
        for module in modules or (self.crm, self.invoicing, self.identity):
            await self.start_module(module)
        self.write_supergraph()
        await self.start_gateway()
        return self

    async def start_module(self, module: Module) -> None:
        await self.serve(module.slug, module, uds=str(self.folder / f"{module.slug}.sock"), lifespan="off")

    async def start_gateway(self, *, wait: bool = True) -> None:
        self.gateway = make_app(self.bootstrap(), self.settings)
        server = await self.serve("gateway", self.gateway, host="127.0.0.1", port=0, lifespan="on", **PROTOCOLS)
        self.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        if wait:
            await self.ready()

    async def ready(self) -> None:
        """Wait until the gateway says that it is ready."""
        with anyio.fail_after(PATIENCE_S):
            while (await self.get("/health/ready")).status != 200:  # noqa: ASYNC110 see until
                await anyio.sleep(0.005)

    @property
    def standing(self) -> int:
        """How many connections, and operations on them, the gateway counts as staying, of all tenants."""
        return self.gateway._sockets._standing._by_tenant.total()  # pyright: ignore[reportPrivateUsage]

    async def told(self, module: str, state: ModuleState) -> None:
        """Change a state and wait until the gateway has heard of it."""
        await self.supervisor.set(module, state)
        await self.until_known(module, state)

    async def until_known(self, module: str, state: ModuleState) -> None:
        """Wait until the gateway knows a module in a state."""
        modules = self.gateway._fetcher._modules  # pyright: ignore[reportPrivateUsage]
        assert isinstance(modules, SupervisedModules)
        await until(lambda: modules._state(module) is state)  # pyright: ignore[reportPrivateUsage]

    async def until_alone_late(self, query: str, module: str) -> Any:
        """Return the answer to a query in which this module alone was too late: on a busy machine others are, now and then."""
        with anyio.fail_after(PATIENCE_S):
            while True:
                _, body = await self.graphql(query)
                if [error["extensions"]["module"] for error in body["errors"]] == [module]:
                    return body

    async def stop(self, name: str) -> None:
        """Stop the server of this name as SIGTERM would, and wait for its end."""
        server = self._servers.pop(name)
        server.should_exit = True
        await until(lambda: not server.started)

    async def close(self) -> None:
        """Stop every server."""
        self.client.close()
        servers = list(self._servers.values())
        for server in servers:
            server.should_exit = True
        await until(lambda: not any(server.started for server in servers))

    def write_supergraph(self) -> None:
        modules = (self.crm, self.invoicing)
        composed = compose(Subgraph(module.slug, f"module:{module.slug}", LINK + module.sdl) for module in modules)
        assert composed.sdl, composed.errors
        (self.folder / "supergraph.graphql").write_text(composed.sdl)

    def bootstrap(self) -> RouterBootstrap:
        return RouterBootstrap(
            host="127.0.0.1",
            port=0,
            supergraph=str(self.folder / "supergraph.graphql"),
            data=str(self.folder),
            module_url=f"unix:{self.folder}/{{slug}}.sock",
            supervisor_socket=str(self.supervisor.path),
            signing_key=self.router_key.to_bytes().hex(),
        )

    def jwks(self) -> bytes:
        return orjson.dumps({"keys": [jwk(self.identity_key.public)]})

    def token(
        self,
        tenant: UUID | None = TENANT,
        *,
        key: SigningKey | None = None,
        permissions: tuple[str, ...] = ("*",),
        session: UUID | None = None,
        locale: str = "en",
        **options: Any,
    ) -> str:
        principal = Principal(tenant=tenant, user=USER, session=session, permissions=permissions, locale=locale)
        key = key or self.identity_key
        return sign_access(
            key, principal, issuer=ISSUER, roles=(), now=SystemClock().now(), **{"plan": "FREE", **options}
        )

    async def graphql(self, query: str, variables: dict[str, Any] | None = None, **options: Any) -> tuple[int, Any]:
        """POST an operation with a good token, or with the `token` given (None: without)."""
        reply = await self.post(orjson.dumps({"query": query, "variables": variables or {}}), **options)
        return reply.status, orjson.loads(reply.body)

    async def post(
        self, body: bytes, path: str = "/graphql", *, token: str | None = "", headers: dict[str, str] | None = None
    ) -> Reply:
        token = self.token() if token == "" else token
        sent = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        return await self.client.request(
            self.url,
            target=path,
            headers=tuple({**sent, **(headers or {})}.items()),
            body=body,
            until=anyio.current_time() + PATIENCE_S,
        )

    async def ask(self, method: str, path: str = "/graphql", **headers: str) -> Reply:
        """Send a request without a body, by another method."""
        return await self.client.request(
            self.url,
            target=path,
            method=method,
            headers=tuple(headers.items()),
            until=anyio.current_time() + PATIENCE_S,
        )

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.client.request(
            self.url,
            target=path,
            method="GET",
            headers=tuple(headers.items()),
            until=anyio.current_time() + PATIENCE_S,
            may_repeat=True,
        )

    async def serve(self, name: str, app: Gateway | Module, **options: Any) -> uvicorn.Server:
        config = uvicorn.Config(app, log_config=None, proxy_headers=False, timeout_graceful_shutdown=5, **options)
        config.load()
        server = self._servers[name] = _Server(config)
        self.group.start_soon(server.run_here)
        await until(lambda: server.started)
        return server


class _Server(uvicorn.Server):
    """A server in the test's own loop, which leaves the process's signals alone."""

    async def run_here(self) -> None:
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup()
        await self.main_loop()
        await self.shutdown()
        self.started = False


async def until(condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Wait until `condition` holds; fail after `seconds`."""
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 what is waited for lies in another task or process
            await anyio.sleep(0.005)


@asynccontextmanager
async def world(folder: Path, **settings: Any) -> AsyncIterator[World]:
    """Yield a world that isn't started; stop all of it at the end."""
    async with AsyncExitStack() as stack, anyio.create_task_group() as group:
        made = World(folder, group, Settings(**{**PATIENT, **settings}))
        made.listener = await anyio.create_unix_listener(made.supervisor.path)
        stack.push_async_callback(made.listener.aclose)
        try:
            yield made
        finally:
            with anyio.CancelScope(shield=True):
                await made.close()
            group.cancel_scope.cancel()


def encode_revocations(revoked: list[Revocation]) -> bytes:
    """Return what identity answers."""
    return msgspec.json.encode(Revocations(revocations=revoked))
