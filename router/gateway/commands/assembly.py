"""Puts the queue and its receipts together, for a gateway that has NATS."""

from anyio.abc import TaskGroup
from nats.aio.client import Client

from router.gateway.access.modules import Modules
from router.gateway.commands.backlog import Backlog
from router.gateway.commands.connection import GATEWAY, Connection, Listen
from router.gateway.commands.permits import Permits
from router.gateway.commands.queue import MutationQueue
from router.gateway.commands.store import ReceiptStore
from router.gateway.commands.subgraph import ReceiptsSubgraph
from router.gateway.fetching import Fetcher
from router.gateway.served import ServedGraph, module_destination
from router.gateway.settings import Settings
from router.gateway.signing import Signer
from shared.clock import Clock
from shared.wire.bootstrap import RouterBootstrap
from shared.wire.renewal import Told


class Commands:
    """What a gateway does with commands that wait. `follow` runs as long as the gateway."""

    def __init__(
        self,
        told: Told[RouterBootstrap],
        *,
        fetcher: Fetcher,
        served: ServedGraph,
        modules: Modules,
        signer: Signer,
        clock: Clock,
        settings: Settings,
    ) -> None:
        """Make the parts and give `fetcher` its queue and the subgraph `gateway`."""
        bootstrap = told.now
        assert bootstrap.nats_url is not None
        self.connection = Connection(bootstrap.nats_url, lambda: (told.now.nats_user, told.now.nats_password))
        store = ReceiptStore(self.connection, clock)
        identity = module_destination("identity", bootstrap.module_url)
        self._permits = Permits(store, fetcher, signer, identity=identity, clock=clock)
        self.subgraph = ReceiptsSubgraph(store)
        fetcher.local = {GATEWAY: self.subgraph.answer}
        fetcher.queue = MutationQueue(
            self.connection,
            store=store,
            backlog=Backlog(self.connection, settings),
            served=served,
            modules=modules,
            signer=signer,
            clock=clock,
        )

    async def follow(self, hear: Listen) -> None:
        """Stay connected, answer who asks for permits, and `hear` what else there is, until cancelled."""

        async def listen(client: Client, tasks: TaskGroup) -> None:
            await self._permits.listen(client, tasks)
            await hear(client, tasks)

        await self.connection.follow(listen)
