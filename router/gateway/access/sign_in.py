"""Sign-in: `/auth/*` and the key set, forwarded to module identity without a tenant (contracts.md, "Sign-in")."""

import re
from typing import TypeVar

import msgspec

from router.errors import BadAnswer
from router.execution.transport import Reply
from router.gateway.access.programs import KeyFacts
from router.gateway.errors import MethodNotAllowed, NoSuchPath
from router.gateway.fetching import Caller, Fetcher
from router.gateway.observe.telemetry import trace_of
from router.gateway.protocol.asgi import Request, Response
from router.gateway.protocol.http import check_post
from router.gateway.served import Destination
from router.gateway.settings import Settings
from shared.wire.pages import AllPages, TenantPages
from shared.wire.principal import Principal
from shared.wire.revocation import Revocation, Revocations

T = TypeVar("T", bound=msgspec.Struct)
JWKS_PATH = "/.well-known/jwks.json"
_POSTED = frozenset(
    f"/auth/{step}" for step in ("login", "mfa", "refresh", "switch", "invitation", "logout", "reset", "reset/confirm")
)
_OIDC = re.compile(r"/auth/oidc/[a-z0-9][a-z0-9-]{0,62}/(start|callback)")
_COOKIE = re.compile(rb"(?<![^; ])mewayz_oidc=[\w-]{1,100}")
_PASSED_ON = (b"content-type", b"accept-language", b"user-agent")
_PASSED_BACK = (b"retry-after", b"location", b"set-cookie")
_JSON = (("content-type", "application/json"),)
_NOBODY = Principal(tenant=None)


class SignIn:
    """Forwards what answers without a token. Only known paths: identity has others, for the supervisor alone."""

    def __init__(self, fetcher: Fetcher, identity: Destination, settings: Settings) -> None:
        """Forward to `identity`."""
        self._fetcher = fetcher
        self._identity = identity
        self._settings = settings

    async def respond(self, request: Request) -> Response:
        """Return identity's answer to a sign-in request. Raises InvalidInput or Unavailable."""
        allowed = _method_of(request.path)
        if request.method != allowed:
            raise MethodNotAllowed(allowed)
        if allowed == "POST":
            check_post(request)
        body = await request.body(self._settings.body_bytes)
        query = request.query.decode("latin-1") if allowed == "GET" else ""
        reply = await self._ask(
            allowed,
            request.path + (f"?{query}" if query else ""),
            body=body,
            headers=_headers(request),
            traceparent=request.headers.get(b"traceparent"),
        )
        return Response(
            status=reply.status,
            content_type=reply.headers.get(b"content-type", b"application/json; charset=utf-8"),
            body=reply.body,
            headers=tuple((name, reply.headers[name]) for name in _PASSED_BACK if name in reply.headers),
        )

    async def facts_of(self, key: str) -> KeyFacts | None:
        """Return what a program's key stands for, None for a key that is not good. Raises Unavailable or BadAnswer."""
        body = msgspec.json.encode({"key": key})
        reply = await self._ask("POST", "/auth/key", body=body, headers=_JSON)
        if reply.status == 401:
            return None
        if reply.status != 200:
            raise BadAnswer("identity", f"status {reply.status} for a key")
        return msgspec.json.decode(reply.body, type=KeyFacts)

    async def revocations(self) -> list[Revocation]:
        """Return what identity has revoked within the life of an access token. Raises Unavailable or BadAnswer."""
        return (await self._told("/auth/revocations", Revocations)).revocations

    async def pages(self) -> list[TenantPages]:
        """Return which pages each tenant lets in. Raises Unavailable or BadAnswer."""
        return (await self._told("/auth/origins", AllPages)).tenants

    async def keys(self) -> bytes:
        """Return identity's JSON Web Key Set as it is now. Raises Unavailable or BadAnswer."""
        reply = await self._ask("GET", JWKS_PATH)
        if reply.status != 200:
            raise BadAnswer("identity", f"status {reply.status} for its keys")
        return reply.body

    async def _told(self, path: str, kind: type[T]) -> T:
        reply = await self._ask("POST", path, body=b"{}", headers=_JSON)
        if reply.status != 200:
            raise BadAnswer("identity", f"status {reply.status} for {path}")
        return msgspec.json.decode(reply.body, type=kind)

    async def _ask(
        self,
        method: str,
        target: str,
        *,
        body: bytes = b"",
        headers: tuple[tuple[str, str], ...] = (),
        traceparent: bytes | None = None,
    ) -> Reply:
        trace = trace_of(traceparent)
        return await self._fetcher.exchange(
            self._identity,
            module="identity",
            method=method,
            target=target,
            headers=(*headers, ("traceparent", trace.traceparent)),
            body=body,
            seconds=self._settings.request_deadline_s,
            caller=Caller(_NOBODY, trace, may_repeat=method == "GET"),
        )


def _method_of(path: str) -> str:
    if path in _POSTED:
        return "POST"
    if _OIDC.fullmatch(path):
        return "GET"
    raise NoSuchPath


def _headers(request: Request) -> tuple[tuple[str, str], ...]:
    """Return the few client headers that identity needs, and the peer's address for its rate limits."""
    passed = ((name, request.headers[name]) for name in _PASSED_ON if name in request.headers)
    headers = [(name.decode(), value.decode("latin-1")) for name, value in passed]
    if request.path.startswith("/auth/oidc/") and (cookie := _COOKIE.search(request.headers.get(b"cookie", b""))):
        headers.append(("cookie", cookie[0].decode()))  # by which identity knows the browser that began; no other
    return (*headers, ("x-forwarded-for", request.peer))
