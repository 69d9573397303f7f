"""What is done for a module before its process starts: database, migration, broker user, consumers, bootstrap."""

from collections.abc import Callable
from typing import Any

import anyio
import msgspec

from mewayz.failures import ServerFailed
from mewayz.folders import Folders
from mewayz.passwords import KEY_LEFT_S, Passwords, RouterKey
from mewayz.progress import Report, Trouble
from mewayz.runtime.fork import JobFailed, JobInterrupted
from mewayz.runtime.forks import Forks
from mewayz.runtime.orders import Admit, Description, Prepare, Provide
from mewayz.runtime.process_files import ROUTER, forget_process_files, process_file, write_process_file
from mewayz.runtime.records import Record, Records
from mewayz.servers.external import ExternalNats
from mewayz.servers.module_database import ModuleDatabase, module_database
from mewayz.servers.nats import Nats, module_user
from mewayz.settings import Settings
from shared.wire.bootstrap import ModuleBootstrap

_LONGEST_S = {"provide": 60.0, "prepare": 600.0, "admit": 60.0}  # a migration may have a large table to go through


class Preparation:
    """Prepares modules; calling it with a slug returns that module's bootstrap, or raises JobFailed."""

    def __init__(
        self,
        settings: Settings,
        folders: Folders,
        *,
        admin_url: Callable[[], str],
        nats: Nats | ExternalNats,
        forks: Forks,
        records: Records,
        router_key: RouterKey,
        tell: Callable[[Report], None],
    ) -> None:
        """Take the running servers and the zygote; `admin_url` gives the database administrator's of the moment.

        `tell` is told of a module that comes after others, and keeps copies of what those have had for long.
        """
        self._settings = settings
        self._folders = folders
        self._admin_url = admin_url
        self._nats = nats
        self._forks = forks
        self._records = records
        self._tell = tell
        self.router_key = router_key  # that modules are told of
        self._to_admit: list[Description] = []
        self._admitting = anyio.Lock()
        self.bootstraps: dict[str, ModuleBootstrap] = {}
        self.demo_orders: dict[str, int | None] = {}

    async def __call__(self, slug: str) -> ModuleBootstrap:
        """Prepare module `slug`; one whose code is as it was at the last start needs nothing but its addresses.

        Raises JobFailed where its code or its migration is at fault, JobInterrupted where a server is.
        """
        record = self._records.fitting(slug) or await self._prepare(slug)
        self.bootstraps[slug] = self._bootstrap(slug)
        self.demo_orders[slug] = record.description.demo_order
        return self.bootstraps[slug]

    def renew(self, *running: str, former_s: float = KEY_LEFT_S) -> None:
        """Tell the processes of all modules what has changed; `running` are further ones, not prepared by us.

        The routers' former keys count for `former_s` after their end. A file that nobody keeps up to date would be believed
        all the same, so it goes.
        """
        slugs = {*self.bootstraps, *running}
        for slug in slugs:
            self.bootstraps[slug] = self._bootstrap(slug, former_s)
            write_process_file(self._folders, slug, self.bootstraps[slug])
        forget_process_files(self._folders, {*slugs, ROUTER})

    async def _prepare(self, slug: str) -> Record:
        """Make and migrate its database, and make it known to NATS."""
        provide = Provide(self._admin_url(), str(self._folders.secrets))
        database = msgspec.convert(await self._run("provide", slug, provide), ModuleDatabase)
        description = msgspec.convert(await self._run("prepare", slug, Prepare(database.owner_url)), Description)
        await self._admit(description)
        if database.is_new and description.keeps and not self._records.are_new:
            older = f"{slug} is new here: of what is older than 30 days it knows nothing."
            self._tell(Trouble(older, f"./justw events rebuild {slug}  tells it"))
        return self._records.keep(slug, description, is_new=database.is_new)

    async def _admit(self, description: Description) -> None:
        """Make the module known to NATS; modules that come at the same time share one reload of the server."""
        self._to_admit.append(description)
        async with self._admitting:
            if description not in self._to_admit:
                return  # it came along with another
            batch, self._to_admit = self._to_admit, []
            try:
                await self._make_known(batch)
            except BaseException as error:  # the others' turn comes; whose fault it was shows then
                self._to_admit = [one for one in batch if one is not description]
                if len(batch) == 1 or not isinstance(error, JobFailed):
                    raise
                await self._make_known([description])

    async def _make_known(self, batch: list[Description]) -> None:
        try:
            await self._nats.allow(
                *(module_user(each.slug, each.publishes, takes_queued=each.takes_queued) for each in batch)
            )
        except ServerFailed as failure:  # it died meanwhile, and is started again by whoever keeps it
            raise JobInterrupted(failure.message) from failure
        await self._run("admit", "platform", Admit(self._nats.admin_url, batch))

    async def _run(self, kind: str, slug: str, order: msgspec.Struct) -> Any:
        log, longest_s = self._folders.log / f"{slug}.log", _LONGEST_S[kind]
        async with self._forks.fork(kind, slug, msgspec.json.encode(order), log) as fork:
            with anyio.move_on_after(longest_s):
                return await fork.result()
            await fork.end_hung()
            raise JobInterrupted(f"to {kind} it took more than {longest_s:.0f} s; where it hung stands in {log}")

    def _bootstrap(self, slug: str, former_s: float = KEY_LEFT_S) -> ModuleBootstrap:
        database = module_database(self._admin_url(), slug, Passwords(self._folders.secrets))
        (user, password), key = self._nats.credentials(slug), self.router_key
        return ModuleBootstrap(
            module=slug,
            database_url=database.app_url,
            relay_url=database.relay_url,
            extra_urls=database.extra_urls,
            successors=database.successors,
            nats_url=self._nats.url,
            nats_user=user,
            nats_password=password,
            router_keys={key.kid: key.public},
            former_router_keys=key.former_keys(former_s),
            renewed=str(process_file(self._folders, slug)),
            issuer=self._settings.address,
            clock=self._settings.clock,
            test_data=self._folders.is_test_data,
            log_level=self._settings.log_level,
        )
