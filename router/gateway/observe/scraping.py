"""Who may read what the gateway counts: this machine itself, and whoever has the operator's token (contracts.md, "Sign-in")."""

import hmac
from collections.abc import Callable
from ipaddress import ip_address

from router.gateway.access.peers import Proxies
from router.gateway.errors import MethodNotAllowed, NoSuchPath
from router.gateway.observe.metrics import Metrics
from router.gateway.protocol.asgi import Request, Response

# What proxies add. Behind one on this machine everybody comes from here.
_BROUGHT = (b"forwarded", b"via", b"x-real-ip")
_BROUGHT_BEGINNING = b"x-forwarded-"
_TEXT = b"text/plain; version=0.0.4; charset=utf-8"


class Scraping:
    """Answers `/metrics`."""

    def __init__(self, metrics: Metrics, *, proxies: Proxies, token: Callable[[], str | None]) -> None:
        """Show `metrics`; `token` returns the operator's, None where there is none."""
        self._metrics = metrics
        self._proxies = proxies
        self._token = token

    async def respond(self, request: Request) -> Response:
        """Answer who may read; for everybody else there is nothing here. Raises NoSuchPath, MethodNotAllowed."""
        if not self._shows_token(request) and not self._is_local(request):
            raise NoSuchPath
        if request.method != "GET":
            raise MethodNotAllowed("GET")
        return Response(content_type=_TEXT, body="".join(self._metrics.lines()).encode())

    def _shows_token(self, request: Request) -> bool:
        token, shown = self._token(), request.headers.get(b"authorization", b"")
        return token is not None and hmac.compare_digest(shown, f"Bearer {token}".encode())

    def _is_local(self, request: Request) -> bool:
        """Whether the request comes from this machine, and no proxy on it, known or not, brought it from elsewhere."""
        try:
            is_here = ip_address(request.peer).is_loopback
        except ValueError:
            return False
        is_brought = any(name in _BROUGHT or name.startswith(_BROUGHT_BEGINNING) for name in request.headers)
        return is_here and not is_brought and not self._proxies.trusts(request.peer)
