"""GraphiQL from here: the built bundle, and what its panels ask for: a plan, and which module has which root field.

The bundle (web/graphiql) lies pre-compressed; nothing in it asks another machine, and the policy below forbids it to.
"""

import gzip
from pathlib import Path
from typing import Any

import anyio
import msgspec

from router.gateway.access.credentials import credentials_of
from router.gateway.access.gate import Gate
from router.gateway.access.identity import Identity
from router.gateway.access.origins import Origins
from router.gateway.access.plans import may_see_plans
from router.gateway.errors import MethodNotAllowed, NoSuchPath, PlanHidden
from router.gateway.protocol.asgi import Request, Response
from router.gateway.protocol.http import check_post, read_post
from router.gateway.served import ServedGraph
from router.gateway.settings import Settings
from router.planning.explain import explain_json
from router.supergraph.model import Supergraph
from shared.wire.principal import Principal

BUNDLE = Path(__file__).parents[3] / "web" / "graphiql" / "dist"
_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".ttf": b"font/ttf",
    ".txt": b"text/plain; charset=utf-8",
}
# Monaco writes style elements; everything else comes from this origin alone.
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"font-src 'self' data:; worker-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    b"frame-ancestors 'none'"
)
# Assets carry a hash of their content in their name, so what a browser has of them is right for ever.
_FOR_EVER = b"public, max-age=31536000, immutable"
_HEADERS = ((b"content-security-policy", _POLICY), (b"referrer-policy", b"no-referrer"))


class GraphiQL:
    """Answers /graphiql and all below it."""

    def __init__(
        self,
        *,
        served: ServedGraph,
        identity: Identity | None,
        gate: Gate,
        origins: Origins,
        settings: Settings,
        bundle: Path = BUNDLE,
    ) -> None:
        """Serve the files in `bundle`; where there is an `identity`, modules to who is signed in, plans to who may see them."""
        self._served = served
        self._identity = identity
        self._gate = gate
        self._origins = origins
        self._settings = settings
        self._files = {str(path.relative_to(bundle))[: -len(".gz")]: path for path in bundle.rglob("*.gz")}

    async def respond(self, request: Request) -> Response:
        """Answer one request.

        Raises NoSuchPath, MethodNotAllowed, and for the panels' questions NotSignedIn, ForeignPage, PlanHidden.
        """
        name = request.path.removeprefix("/graphiql").strip("/") or "index.html"
        if name == "plan":
            return await self._plan(request)
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("GET", "HEAD")
        if name == "modules":
            await self._must_be_signed_in(request)
            return Response(body=msgspec.json.encode(root_fields(self._served.now.graph.supergraph)))
        if name not in self._files:
            raise NoSuchPath
        return await self._file(request, name)

    async def _file(self, request: Request, name: str) -> Response:
        body = await anyio.Path(self._files[name]).read_bytes()
        headers = (*_HEADERS, (b"vary", b"accept-encoding"))
        if b"gzip" in request.headers.get(b"accept-encoding", b""):
            headers = (*headers, (b"content-encoding", b"gzip"))
        else:
            body = gzip.decompress(body)
        cache = _FOR_EVER if name.startswith("assets/") else b"no-store"
        return Response(body=body, content_type=_TYPES[Path(name).suffix], headers=headers, cache=cache)

    async def _plan(self, request: Request) -> Response:
        if request.method != "POST":
            raise MethodNotAllowed("POST")
        principal = await self._must_be_signed_in(request)
        if not may_see_plans(principal):
            raise PlanHidden
        check_post(request)
        operation = read_post(await request.body(self._settings.body_bytes))
        prepared = self._gate.admit(
            operation.query,
            operation.operation_name,
            operation.variables,
            principal=principal,
            serving=self._served.now,
        )
        plan: dict[str, Any] = explain_json(prepared.compiled.plan)
        return Response(body=msgspec.json.encode(plan))

    async def _must_be_signed_in(self, request: Request) -> Principal | None:
        if self._identity is not None:
            request.principal = known = await self._identity.principal(credentials_of(request))
            self._origins.check_page(known, request.headers.get(b"origin"), request.headers.get(b"host"))
        return request.principal


def root_fields(supergraph: Supergraph) -> dict[str, list[str]]:
    """Return the query and mutation fields of each subgraph, by its name."""
    found: dict[str, list[str]] = {subgraph.name: [] for subgraph in supergraph.subgraphs}
    for root in ("query", "mutation"):
        if root in supergraph.roots:
            for field in supergraph.types[supergraph.roots[root]].fields.values():
                for number in field.sources:
                    found[supergraph.subgraphs[number].name].append(field.name)
    return found
