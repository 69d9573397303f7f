"""A gateway with a queue over a real JetStream; its module `shop` is the test itself."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import msgspec
import orjson
from nats.aio.client import Client

from mewayz.servers.nats import GATEWAY, gateway_user
from mewayz.servers.streams import connect as connect_admin
from router.composition.compose import compose
from router.composition.subgraph import Subgraph
from router.gateway.commands.subgraph import SDL
from shared.wire.control import ModuleState
from shared.wire.jetstream import PublishFailed, connect, last_message
from shared.wire.receipt import Permit, PermitWanted, QueuedCommand, command_subject
from tests.router.gateway.world import TENANT, USER, World, world
from tests.services import NatsServer
from tests.waiting import PATIENCE_S, ask

SHOP = """
extend schema
  @link(url: "https://specs.apollo.dev/federation/v2.11", import: ["@key", "@shareable", "@composeDirective"])
  @link(url: "https://mewayz.dev/specs/queueable/v1.0", import: ["@queueable"])
  @composeDirective(name: "@queueable")
directive @queueable(ttl: String!) on FIELD_DEFINITION
type Query { shop: String }
type Mutation {
  place(input: PlaceInput!): PlacePayload! @queueable(ttl: "1h")
  hurry(input: PlaceInput!): PlacePayload! @queueable(ttl: "1s")
  ponder(input: PlaceInput!): PlacePayload! @queueable(ttl: "30d")
  burn(input: PlaceInput!): PlacePayload!
}
input PlaceInput { what: String! idempotencyKey: String }
type PlacePayload { order: Order userErrors: [UserError!]! receipt: Receipt! }
type Order @key(fields: "id") { id: ID! what: String }
type UserError @shareable { code: String! message: String! field: [String!] }
type Receipt @key(fields: "id", resolvable: false) { id: ID! status: ReceiptStatus! @shareable }
enum ReceiptStatus { DONE QUEUED FAILED REJECTED EXPIRED CANCELLED }
"""
TILL = "type Query { till: String } type Mutation { ring: Boolean! }"
PLACE = "mutation($what: String!, $key: String) { %s(input: {what: $what, idempotencyKey: $key}) { %s } }"
OUTCOME = "order { id } userErrors { code } receipt { id status }"


TWO = """mutation {
  a: place(input: {what: "tea"}) { receipt { id } }
  b: place(input: {what: "milk"}) { receipt { id } }
}"""


class Shop:
    """A gateway with a queue, and the NATS user of module `shop`."""

    def __init__(self, made: World, client: Client, admin: Client) -> None:
        self.world = made
        self.client = client
        self.admin = admin

    async def place(self, what: str, key: str | None = None, *, field: str = "place", selection: str = OUTCOME) -> Any:
        _, body = await self.world.graphql(PLACE % (field, selection), {"what": what, "key": key})
        return body

    async def queued(self, what: str, key: str | None = None, **more: Any) -> str:
        body = await self.place(what, key, **more)
        (payload,) = body["data"].values()
        assert payload["receipt"]["status"] == "QUEUED", body
        return payload["receipt"]["id"]

    async def receipt(self, receipt: str) -> Any:
        query = "query($id: ID!) { receipt(id: $id) { id status userErrors { code } } }"
        _, body = await self.world.graphql(query, {"id": receipt})
        assert "errors" not in body, body
        return body["data"]["receipt"]

    async def command(self, receipt: str) -> tuple[QueuedCommand, bytes]:
        """Return a command that waits, and its message."""
        body = await last_message(self.admin, "COMMANDS", command_subject("shop", TENANT, receipt))
        assert body is not None
        return msgspec.json.decode(body, type=QueuedCommand), body

    async def permit(self, receipt: str) -> Permit:
        wanted = msgspec.json.encode(PermitWanted(TENANT, UUID(receipt)))
        reply = await self.client.request("ask.permit.shop", wanted, timeout=PATIENCE_S)
        return msgspec.json.decode(reply.data, type=Permit)


@asynccontextmanager
async def shop(tmp_path: Path, nats_server: NatsServer, **settings: Any) -> AsyncIterator[Shop]:
    """A gateway whose module `shop` is stopped, and whose identity says that everybody still may."""
    await nats_server.nats.allow(gateway_user())
    user, password = await nats_server.add_module("shop")
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(world(tmp_path, **settings))
        plain = made.bootstrap()
        gateway, secret = nats_server.nats.credentials(GATEWAY)
        told = msgspec.structs.replace(plain, nats_url=nats_server.url, nats_user=gateway, nats_password=secret)
        made.bootstrap = lambda: told  # pyright: ignore[reportAttributeAccessIssue]
        made.write_supergraph = lambda: _write(tmp_path)  # pyright: ignore[reportAttributeAccessIssue]
        made.supervisor.states |= {"shop": ModuleState.STOPPED, "till": ModuleState.STOPPED}
        standing = {"tenant": str(TENANT), "user": str(USER), "permissions": ["shop.order.write"]}
        made.identity.routes["/auth/standing"] = lambda _: (200, [], orjson.dumps(standing))
        await made.start(made.identity)
        client = await connect(nats_server.url, user=user, password=password, name="shop")
        stack.push_async_callback(client.close)
        admin = await connect_admin(nats_server.admin_url)
        stack.push_async_callback(admin.close)
        for stream in ("COMMANDS", "CMDRES"):
            await ask(admin, f"STREAM.PURGE.{stream}")
        with anyio.fail_after(PATIENCE_S):
            while "errors" in (await made.graphql("{ receipts { id } }"))[1]:  # noqa: ASYNC110 until it is connected
                await anyio.sleep(0.01)
        yield Shop(made, client, admin)


def unheard(publish: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return what publishes, and the first time never hears that it did."""
    acknowledged = iter([False])

    async def published(*args: Any) -> Any:
        answer = await publish(*args)
        if not next(acknowledged, True):
            raise PublishFailed("time-out")
        return answer

    return published


def _write(folder: Path) -> None:
    shop, till = Subgraph("shop", "module:shop", SHOP), Subgraph("till", "module:till", TILL)
    composed = compose([shop, till, Subgraph(GATEWAY, "module:gateway", SDL)])
    assert composed.sdl, composed.errors
    (folder / "supergraph.graphql").write_text(composed.sdl)
