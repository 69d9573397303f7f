"""What a client shows of itself: a token or key, and where it asks from."""

import msgspec

from router.gateway.protocol.asgi import Request


class Credentials(msgspec.Struct, frozen=True):
    """The header `authorization` (for a WebSocket what came with `connection_init`), the peer's address, the page's origin."""

    authorization: bytes | None
    peer: str = ""
    origin: bytes | None = None


def credentials_of(request: Request) -> Credentials:
    """Return what a request shows."""
    headers = request.headers
    return Credentials(headers.get(b"authorization"), request.peer, headers.get(b"origin"))
