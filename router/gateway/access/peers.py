"""Who asks, and whether the connection is encrypted, where a proxy stands in front (security.md F)."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from router.gateway.protocol.asgi import Scope
from shared.wire.address import plain


class Proxies:
    """The proxies in front; what anybody else says of addresses is not believed."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Trust these addresses and networks. Raises ValueError for what is none."""
        self._networks = [ip_network(one, strict=False) for one in networks]

    def seen(self, scope: Scope) -> Scope:
        """Return a scope that names the client as the trusted proxies saw it, and how it reached the first of them.

        An IPv4 address is one also where a socket for both kinds took it.
        """
        client: tuple[str, int] | None = scope.get("client")
        if client is None:
            return scope
        if (direct := plain(client[0])) != client[0]:
            client = (direct, client[1])
            scope = {**scope, "client": client}
        if not self._networks or not self.trusts(direct):
            return scope
        headers: dict[bytes, bytes] = dict(scope["headers"])
        told = [plain(one.strip()) for one in headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")]
        # Each proxy adds at the end who asked it; further left may stand anything.
        address = next((one for one in reversed(told) if not self.trusts(one)), told[0]) or client[0]
        is_secure = headers.get(b"x-forwarded-proto", b"").strip().lower() == b"https"
        return {**scope, "client": (address[:64], 0), "scheme": "https" if is_secure else scope.get("scheme", "http")}

    def trusts(self, address: str) -> bool:
        """Tell whether an address is one of theirs."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)
