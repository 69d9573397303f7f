"""Whether this router lives, and whether it can serve."""

from collections.abc import Awaitable, Callable

import msgspec

from router.gateway.access.modules import Modules
from router.gateway.protocol.asgi import Response


async def live() -> Response:
    """Answer that the process runs its loop."""
    return Response(body=b'{"status":"live"}')


def readiness(modules: Modules) -> Callable[[], Awaitable[Response]]:
    """Return what answers `/health/ready`: 200 once the modules' states are known. No module needs to be up."""

    async def ready() -> Response:
        if modules.is_known:
            return Response(body=b'{"status":"ready"}')
        reason = "waiting for the supervisor to tell the states of the modules"
        return Response(status=503, body=msgspec.json.encode({"status": "unready", "reason": reason}))

    return ready
