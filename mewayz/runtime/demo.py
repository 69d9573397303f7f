"""Demo data on the first start: tenants by identity, then each module's own rows, while everything already answers."""

import time
from collections.abc import Callable
from datetime import date

import anyio
import msgspec

from mewayz.folders import Folders
from mewayz.passwords import Passwords
from mewayz.progress import Step
from mewayz.runtime.fork import JobFailed, ZygoteGone
from mewayz.runtime.forks import Forks
from mewayz.runtime.orders import Plant
from mewayz.runtime.preparation import Preparation
from mewayz.settings import Settings
from shared.wire.control import DemoTenant

AS_OF = date(2026, 6, 30)  # the last day of the demo's story (demo.md, "Determinism")
_AT_ONCE = 4
_LOGINS = "demo-logins.json"


class DemoPlanting:
    """Plants what is missing; a data folder whose logins are kept has its demo data already."""

    def __init__(
        self,
        settings: Settings,
        folders: Folders,
        forks: Forks,
        preparation: Preparation,
        *,
        wake: Callable[[str], None],
    ) -> None:
        """Take the zygote, what is known of the modules, and what wakes one."""
        self._settings = settings
        self._folders = folders
        self._forks = forks
        self._preparation = preparation
        self._wake = wake
        self._limit = anyio.CapacityLimiter(_AT_ONCE)

    @property
    def is_wanted(self) -> bool:
        """Whether this is a first start with demo data, on a platform that has tenants to give."""
        kept = (self._folders.secrets / _LOGINS).exists()
        return self._settings.demo and not kept and "identity" in self._preparation.bootstraps

    async def run(self, tell: Callable[[Step], None]) -> None:
        """Make tenants and rows; tell of each step. Raises JobFailed, after which the next start tries again."""
        started = time.monotonic()
        tenants = await self._found()
        tell(Step("demo tenants", time.monotonic() - started, ", ".join(tenant.slug for tenant in tenants)))
        for slugs in self._in_order():
            started = time.monotonic()
            async with anyio.create_task_group() as tasks:
                for slug in slugs:
                    for tenant in (one for one in tenants if one.is_company):
                        tasks.start_soon(self._plant, slug, tenant)
            tell(Step("demo data", time.monotonic() - started, ", ".join(slugs)))
        logins = [login for tenant in tenants for login in tenant.logins]
        Passwords(self._folders.secrets).keep(_LOGINS, msgspec.json.encode(logins).decode())

    async def _found(self) -> list[DemoTenant]:
        result = await self._job("found", "identity", self._order("identity"))
        return msgspec.convert(result, list[DemoTenant])

    async def _plant(self, slug: str, tenant: DemoTenant) -> None:
        order = msgspec.structs.replace(self._order(slug), tenant=tenant.id, slug=tenant.slug)
        await self._job("plant", slug, order)

    async def _job(self, kind: str, slug: str, order: Plant) -> object:
        log = self._folders.log / f"{slug}.log"
        async with self._limit:
            self._wake(slug)  # it has to hear of the tenants, and its events have to leave
            try:
                async with self._forks.fork(kind, slug, msgspec.json.encode(order), log) as fork:
                    return await fork.result()
            except ZygoteGone as gone:
                raise JobFailed(gone.message) from gone

    def _order(self, slug: str) -> Plant:
        bootstrap = self._preparation.bootstraps[slug]
        return Plant(
            database_url=bootstrap.database_url,
            as_of=AS_OF,
            extra_urls=bootstrap.extra_urls,
            clock=bootstrap.clock,
            test_data=bootstrap.test_data,
            scale=self._settings.demo_scale,
        )

    def _in_order(self) -> list[list[str]]:
        """Return the modules with demo data, in groups that plant one after the other."""
        orders = {slug: order for slug, order in self._preparation.demo_orders.items() if order is not None}
        return [sorted(slug for slug in orders if orders[slug] == order) for order in sorted(set(orders.values()))]
