"""A module in small: what is asked of it, by whom, and what it does about it."""

from collections.abc import Callable
from typing import Any

import anyio
import orjson
from graphql import GraphQLError, GraphQLSchema, build_schema, graphql

from shared.clock import SystemClock
from shared.errors import Unauthenticated
from shared.wire.token import InternalToken, SigningKey, verify_internal

REVOCATIONS = "/auth/revocations"
PAGES = "/auth/origins"
KEYS = "/.well-known/jwks.json"
OWN = (REVOCATIONS, PAGES, KEYS)  # the gateway asks for them by itself, whenever it likes

LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.11", import: ["@key"])\n'
FEDERATION = """
union _Entity = Deal
scalar _Any
extend type Query { _entities(representations: [_Any!]!): [_Entity]! }
"""
CRM = """
type Query { deal(id: ID!): Deal  tenant: String!  broken: String  refused: String  slow(seconds: Float!): String  held: String }
type Mutation { rename(name: String!): String  linger(seconds: Float!): String  close(seconds: Float!): Deal }
type Deal @key(fields: "id") { id: ID! name: String! }
"""
INVOICING = """
type Query { invoiceCount: Int }
type Deal @key(fields: "id") { id: ID! invoices: [String!] }
"""


class Module:
    """A module's process in small: GraphQL on a Unix socket for holders of an internal token, and nobody else."""

    def __init__(self, slug: str, sdl: str, key: SigningKey) -> None:
        self.slug = slug
        self.sdl = sdl
        self.keys = {key.kid: key.public}
        self.schema = _executable(sdl)
        self.tokens: list[InternalToken] = []
        self.headers: list[dict[bytes, bytes]] = []
        self.queries: list[bytes] = []
        self.done: list[str] = []
        self.release = anyio.Event()  # what is `held` is held until then
        self.cancelled = 0
        self.refused = 0
        self.last_headers: dict[bytes, bytes] = {}
        self.routes: dict[str, Callable[[bytes], tuple[int, list[tuple[bytes, bytes]], bytes]]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = dict(scope["headers"])
        if scope["path"] not in OWN:
            self.queries.append(scope["query_string"])
            self.last_headers = headers
        status, extra, answer = 499, [], b""
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, receive, group.cancel_scope)
            status, extra, answer = await self._answer(scope["path"], headers, body)
            group.cancel_scope.cancel()
        length = (b"content-length", str(len(answer)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*extra, length]})
        await send({"type": "http.response.body", "body": answer})

    async def _watch(self, receive: Any, scope: anyio.CancelScope) -> None:
        """Stop working for a caller that closed its connection."""
        await receive()
        self.cancelled += 1
        scope.cancel()

    async def _answer(
        self, path: str, headers: dict[bytes, bytes], body: bytes
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        bearer = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
        try:
            token = verify_internal(bearer, self.keys, audience=self.slug, body=body, clock=SystemClock())
        except Unauthenticated:
            self.refused += 1
            return 401, [], b'{"errors":[{"message":"no"}]}'
        if path not in OWN:
            self.tokens.append(token)
            self.headers.append(headers)
        if path in self.routes:
            return self.routes[path](body)
        request = orjson.loads(body)
        result = await graphql(
            self.schema,
            request["query"],
            root_value=_Root(self, token),
            variable_values=request.get("variables"),
            operation_name=request.get("operationName"),
        )
        return 200, [(b"content-type", b"application/json")], orjson.dumps(result.formatted)


class _Root:
    """Resolvers of both modules; graphql-core calls methods of the root value."""

    def __init__(self, module: Module, token: InternalToken) -> None:
        self._module = module
        self._token = token

    def deal(self, _info: Any, id: str) -> dict[str, Any]:
        return {"id": id, "name": f"Deal {id}"}

    def tenant(self, _info: Any) -> str:
        return str(self._token.principal.tenant)

    def broken(self, _info: Any) -> str:
        raise RuntimeError("select secret from vault")

    def refused(self, _info: Any) -> str:
        raise GraphQLError("This needs crm.deal.read.", extensions={"code": "FORBIDDEN", "sql": "select 1"})

    async def slow(self, _info: Any, seconds: float) -> str:
        await anyio.sleep(seconds)
        self._module.done.append("slow")
        return "at last"

    async def held(self, _info: Any) -> str:
        await self._module.release.wait()
        return "at last"

    def rename(self, _info: Any, name: str) -> str:
        self._module.done.append(name)
        return name

    async def linger(self, _info: Any, seconds: float) -> str:
        await anyio.sleep(seconds)
        self._module.done.append("linger")
        return "done"

    async def close(self, _info: Any, seconds: float) -> dict[str, Any]:
        await anyio.sleep(seconds)
        self._module.done.append("close")
        return {"id": "1", "name": "Deal 1"}

    def _entities(self, _info: Any, representations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"__typename": "Deal", "id": one["id"], "invoices": [f"INV-{one['id']}"]} for one in representations]


def _executable(sdl: str) -> GraphQLSchema:
    has_entities = "@key" in sdl
    directive = "directive @key(fields: String!) repeatable on OBJECT\n"
    return build_schema(directive + sdl + (FEDERATION if has_entities else ""))
