"""Whose pages may call the API from a browser, and under which host names it answers (security.md F; threats 18 and 19)."""

from router.gateway.access.pages import Pages
from router.gateway.errors import ForeignPage, UnknownHost
from router.gateway.protocol.asgi import Request, Response, Scope
from router.gateway.settings import Settings
from shared.wire.principal import Principal

_ALLOWED = (
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type, traceparent"),
    (b"access-control-max-age", b"600"),
)
_EXPOSED = (b"access-control-expose-headers", b"mewayz-request-id, ratelimit, ratelimit-policy, retry-after")
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_LOCAL = (b"localhost", b"127.0.0.1", b"[::1]")  # whoever asks from the machine itself; no foreign DNS answers these
_VARY = (b"vary", b"origin")


class Origins:
    """Answers preflights, and marks answers for the origins that are allowed. A page of no list sees nothing.

    A preflight shows no token: it is answered for a page that any tenant lets in, as sign-in is. Once it is known who
    asks, the page must be that tenant's.
    """

    def __init__(self, settings: Settings, pages: Pages | None = None) -> None:
        """Allow the settings' origins and hosts, and the tenants' `pages`."""
        self._pages = pages
        self._origins = frozenset(origin.encode() for origin in settings.origins)
        self._hosts = frozenset(host.encode() for host in settings.hosts)

    def check_host(self, request: Request) -> None:
        """Raise UnknownHost for a name that isn't ours: what answers it would be a page of somebody else's DNS."""
        name = request.headers.get(b"host", b"").lower()
        bare = name[: name.find(b"]") + 1] if name.startswith(b"[") else name.partition(b":")[0]
        if self._hosts and bare not in self._hosts and bare not in _LOCAL:
            raise UnknownHost

    def preflight(self, request: Request) -> Response | None:
        """Return the answer to a browser's question whether it may ask, None for every other request."""
        if request.method != "OPTIONS" or b"access-control-request-method" not in request.headers:
            return None
        is_allowed = self._is_listed(request.headers.get(b"origin", b""))
        return Response(status=204, headers=_ALLOWED if is_allowed else ())  # who may, `headers` says on every answer

    def check_connecting(self, scope: Scope) -> None:
        """Raise ForeignPage unless a WebSocket may be opened: by a program, by our own pages, by those of the list.

        A browser asks no preflight for it, so a foreign page would come as far as `connection_init` (threat 18).
        """
        headers: dict[bytes, bytes] = dict(scope["headers"])
        origin = headers.get(b"origin")
        if origin is not None and not self._is_listed(origin) and not self._is_own(origin, headers.get(b"host")):
            raise ForeignPage

    def check_page(self, principal: Principal, origin: bytes | None, host: bytes | None) -> None:
        """Raise ForeignPage where a page that other tenants let in asks with this one's token: nothing is executed."""
        if origin is None or origin in self._origins or self._pages is None or self._is_own(origin, host):
            return
        tenants = self._pages.tenants(origin)
        if tenants and principal.tenant not in tenants:
            raise ForeignPage

    def headers(self, request: Request) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that let the asking page read the answer, and keep it at https.

        Never with credentials: tokens are no cookies.
        """
        always = (_HSTS,) if request.is_secure else ()
        origin = request.headers.get(b"origin")
        if origin is None:
            return always
        if not self._is_listed(origin):
            return (*always, _VARY)
        return (*always, _VARY, (b"access-control-allow-origin", origin), _EXPOSED)

    def _is_listed(self, origin: bytes) -> bool:
        return origin in self._origins or bool(self._pages and self._pages.tenants(origin))

    def _is_own(self, origin: bytes, host: bytes | None) -> bool:
        """Tell whether a page came from the gateway itself; nobody else's list can make it foreign."""
        name = origin.partition(b"://")[2]
        return name == host or name.partition(b":")[0] in self._hosts
