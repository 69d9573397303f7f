"""The pages that tenants let call the API from a browser, by origin; the tenants' own say, heard within a second."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from uuid import UUID

from anyio.abc import TaskGroup
from nats.aio.client import Client
from nats.aio.msg import Msg

from router.gateway.access.hearing import Hearing, Line
from router.gateway.settings import Settings
from shared.wire.pages import PAGES_EVENT, TenantPages

FetchPages = Callable[[], Awaitable[list[TenantPages]]]


class Pages:
    """Which tenants named which origin. With identity down the last known ones count."""

    def __init__(self, fetch: FetchPages, *, line: Line, settings: Settings) -> None:
        """Start with none; `fetch` asks identity for all there are. Raises RouterError where it can't be asked."""
        self._fetch = fetch
        self._tenants: dict[bytes, frozenset[UUID]] = {}
        self._hearing = Hearing(self._ask, what="pages", line=line, settings=settings)

    def tenants(self, origin: bytes) -> frozenset[UUID]:
        """Return the tenants that let pages of this origin in."""
        return self._tenants.get(origin, frozenset())

    async def listen(self, client: Client, _tasks: TaskGroup) -> None:
        """Hear from now on that something changed."""

        async def heard(_: Msg) -> None:
            self._hearing.ask_again()

        await client.subscribe(f"evt.*.{PAGES_EVENT}", cb=heard)  # pyright: ignore[reportUnknownMemberType]

    async def follow(self) -> None:
        """Keep up with identity until cancelled."""
        await self._hearing.follow()

    async def _ask(self) -> None:
        found: defaultdict[bytes, set[UUID]] = defaultdict(set)
        for one in await self._fetch():
            for origin in one.origins:
                found[origin.encode()].add(one.tenant_id)
        self._tenants = {origin: frozenset(tenants) for origin, tenants in found.items()}
