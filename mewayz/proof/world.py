"""Both tenants on real parts in one process: PostgreSQL, every module behind its socket, the gateway in front."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
import uvicorn
from anyio.abc import TaskGroup
from nats.aio.client import Client
from sqlalchemy.ext.asyncio import AsyncEngine

from mewayz.compose import SCHEMA
from mewayz.folders import Folders, folders_of
from mewayz.modules import module_folders, slugs
from mewayz.passwords import Passwords
from mewayz.proof.ids import A, B, Side
from mewayz.proof.receipts import fill_receipts, until_connected
from mewayz.proof.rehearsal import RehearsedDatabase
from mewayz.proof.rows import fill
from mewayz.servers.databases import ModuleDatabase, make_database
from mewayz.servers.nats import GATEWAY, Nats, gateway_user
from mewayz.servers.postgres import Postgres
from mewayz.servers.streams import connect as connect_admin
from mewayz.servers.streams import make_streams
from router.gateway.app import Gateway, make_app
from router.gateway.settings import Settings
from shared.clock import SystemClock
from shared.database.engine import connect_app
from shared.database.migrate import migrate
from shared.hosting.endpoint import Endpoint
from shared.module import Module, load
from shared.wire.bootstrap import ModuleBootstrap, RouterBootstrap
from shared.wire.principal import Principal
from shared.wire.token import SigningKey, jwk, public_bytes, sign_access, sign_internal

ISSUER = "http://localhost:8000"
_KNOWN = """
    insert into kit.tenant (tenant_id, slug, name, time_zone, base_currency, locale, state)
    values ($1, $2, $2, 'Asia/Shanghai', $3, 'en', 'ACTIVE')
"""


@dataclass
class ProvenModule:
    """One module with its database and its endpoint."""

    module: Module
    urls: ModuleDatabase
    database: RehearsedDatabase
    endpoint: Endpoint
    unwalled: AsyncEngine  # a superuser's: row-level security does not hold there, only the session's filter

    @property
    def slug(self) -> str:
        """The module's slug."""
        return self.module.slug

    async def as_owner(self, *statements: str) -> None:
        """Run statements as the role that owns the tables."""
        connection = await asyncpg.connect(self.urls.owner_url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@dataclass
class World:
    """What is proven: modules and gateway, and the keys that sign for them."""

    folders: Folders
    modules: dict[str, ProvenModule] = field(default_factory=dict[str, ProvenModule])
    refused_rows: list[str] = field(default_factory=list[str])
    router_key: SigningKey = field(default_factory=SigningKey.generate)
    identity_key: SigningKey = field(default_factory=SigningKey.generate)
    clock: SystemClock = field(default_factory=SystemClock)
    gateway: Gateway = field(init=False)

    def principal(self, side: Side, *, number: int = 1, permissions: tuple[str, ...] = ("*",)) -> Principal:
        """Return a member of a tenant: the person of row `number`."""
        return Principal(
            tenant=side.tenant,
            user=side.row("identity.UserAccount", number),
            employee=side.row("hr.Employee", number),
            permissions=permissions,
        )

    def access_token(self, principal: Principal) -> str:
        """Sign what identity would."""
        return sign_access(self.identity_key, principal, issuer=ISSUER, roles=(), plan="FREE", now=self.clock.now())

    def internal_token(self, principal: Principal, audience: str, body: bytes, *, key: SigningKey | None = None) -> str:
        """Sign what the router would."""
        deadline = time.time() + 20
        return sign_internal(
            key or self.router_key,
            principal,
            audience=audience,
            body=body,
            deadline=deadline,
            via="router",
            clock=self.clock,
        )

    async def ask(self, principal: Principal, query: str, variables: Any = None) -> bytes:
        """Return the gateway's answer to an operation."""
        body = _body(query, variables)
        token = self.access_token(principal)
        return (await call(self.gateway, "/graphql", body, authorization=f"Bearer {token}"))[1]

    async def listen(self, principal: Principal, query: str, variables: Any = None) -> bytes:
        """Return all that the gateway sends of a subscription until it ends, as server-sent events."""
        token = self.access_token(principal)
        headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
        return (await call(self.gateway, "/graphql", _body(query, variables), **headers))[1]

    async def ask_module(self, slug: str, principal: Principal, query: str, variables: Any = None) -> bytes:
        """Return a module's own answer to an operation."""
        body = _body(query, variables)
        token = self.internal_token(principal, slug, body)
        return (await call(self.modules[slug].endpoint, "/graphql", body, authorization=f"Bearer {token}"))[1]


def _body(query: str, variables: Any) -> bytes:
    return json.dumps({"query": query, "variables": variables or {}}).encode()


async def call(app: Any, path: str, body: bytes, *, method: str = "POST", **headers: str) -> tuple[int, bytes]:
    """Send one HTTP request to an ASGI application; return status and body."""
    sent = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
    }
    waiting = [{"type": "http.request", "body": body, "more_body": False}]
    answer: list[Any] = []

    async def receive() -> Any:
        return waiting.pop() if waiting else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        answer.append(message)

    await app(scope, receive, send)
    return answer[0]["status"], b"".join(message.get("body", b"") for message in answer[1:])


@asynccontextmanager
async def start_world(data: Path) -> AsyncGenerator[World]:
    """Start a world in the empty folder `data`, with both tenants' rows, and stop it at the end."""
    folders = folders_of(data)
    folders.create()
    passwords = Passwords(folders.secrets)
    postgres = Postgres(folders, passwords)
    world = World(folders)
    async with AsyncExitStack() as stack:
        await postgres.start()
        stack.push_async_callback(postgres.stop)
        for slug in slugs(module_folders()):
            urls = await make_database(postgres.admin_url, slug, passwords)
            module = load(slug)
            await migrate(slug, module.migrations, urls.owner_url)
            await _add_module(world, module, urls, stack)
        await _fill(world)
        (folders.data / "jwks.json").write_text(json.dumps({"keys": [jwk(world.identity_key.public)]}))
        nats = await _start_queue(world, passwords, stack)
        world.gateway = make_app(_router(world, nats), Settings())
        await _follow_queue(world.gateway, stack)
        yield world


async def _start_queue(world: World, passwords: Passwords, stack: AsyncExitStack) -> Nats:
    """Start NATS with receipts of both tenants, for the gateway alone: modules get nothing from it."""
    nats = Nats(world.folders, passwords)
    await nats.start()
    stack.push_async_callback(nats.stop)
    await nats.allow(gateway_user())
    admin = await connect_admin(nats.admin_url)
    await make_streams(admin)
    for side in (A, B):
        await fill_receipts(admin, side, world.clock)
    await admin.close()
    return nats


async def _follow_queue(gateway: Gateway, stack: AsyncExitStack) -> None:
    """Let the gateway's queue connect, and nothing else of it: it would fetch identity's own keys."""
    assert gateway.commands is not None

    async def hear_nothing_else(_client: Client, _tasks: TaskGroup) -> None:
        pass

    following = asyncio.ensure_future(gateway.commands.follow(hear_nothing_else))
    await until_connected(lambda: gateway.commands is not None and gateway.commands.connection.is_made)

    async def stop() -> None:
        following.cancel()
        await asyncio.wait([following])

    stack.push_async_callback(stop)


async def _add_module(world: World, module: Module, urls: ModuleDatabase, stack: AsyncExitStack) -> None:
    slug = module.slug
    database = RehearsedDatabase(connect_app(urls.app_url, slug), slug, world.clock)
    stack.push_async_callback(database.close)
    unwalled = connect_app(_superuser(urls.owner_url), slug, is_bound=False)
    stack.push_async_callback(unwalled.dispose)
    public = {world.router_key.kid: world.router_key.public}
    extras = {name: connect_app(url, slug, pool_size=1) for name, url in urls.extra_urls.items()}
    for engine in extras.values():
        stack.push_async_callback(engine.dispose)
    endpoint = Endpoint(module, database, world.clock, public, _bootstrap(slug, world.router_key), extras)
    world.modules[slug] = ProvenModule(module, urls, database, endpoint, unwalled)
    await _serve(endpoint, world.folders.module_socket(slug), stack)


async def _fill(world: World) -> None:
    for proven in world.modules.values():
        for side in (A, B):
            connection = await asyncpg.connect(proven.urls.relay_url)
            await connection.execute(_KNOWN, side.tenant, f"tenant-{side.letter}", side.currency)
            await connection.close()
            world.refused_rows += await fill(proven.module, proven.database, side)
        proven.database.is_rehearsal = True


def _bootstrap(slug: str, key: SigningKey) -> ModuleBootstrap:
    keys = {key.kid: public_bytes(key.public).hex()}
    return ModuleBootstrap(
        module=slug, database_url="", relay_url="", nats_url="", nats_user="", nats_password="", router_keys=keys
    )


def _router(world: World, nats: Nats) -> RouterBootstrap:
    user, password = nats.credentials(GATEWAY)
    return RouterBootstrap(
        host="127.0.0.1",
        port=0,
        supergraph=str(SCHEMA / "supergraph.graphql"),
        data=str(world.folders.data),
        module_url=f"unix:{world.folders.run}/{{slug}}.sock",
        supervisor_socket=None,
        signing_key=world.router_key.to_bytes().hex(),
        nats_url=nats.url,
        nats_user=user,
        nats_password=password,
    )


def _superuser(owner_url: str) -> str:
    parts = urlsplit(owner_url)
    query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] != "role"], safe="/")
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


async def _serve(app: Any, socket: Path, stack: AsyncExitStack) -> None:
    config = uvicorn.Config(app, uds=str(socket), lifespan="off", log_config=None, access_log=False)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    ticking = asyncio.ensure_future(server.main_loop())

    async def stop() -> None:
        server.should_exit = True
        await ticking
        await server.shutdown()

    stack.push_async_callback(stop)
