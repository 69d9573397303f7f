"""A module's delivery under test: it notes which events of one aggregate it applied, and in which order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import asyncpg
import orjson

from benchmarks.events_world import World, known
from shared.clock import SystemClock, new_id
from shared.database.engine import connect_app
from shared.database.transaction import Database
from shared.events.consumer import Consumer
from shared.events.relay import Relay
from shared.events.subscription import Subscription
from shared.hosting.process import Delivery
from shared.wire.envelope import Event, event_subject
from shared.wire.jetstream import connect
from tests.modules import until
from tests.waiting import ask, jetstream

_TYPE = "customer.created"
_BEFORE_REDELIVERY_S = 25.0  # the server hands out again, after 30 s, what it has not heard of


class Heard(Event, type=_TYPE):
    """The place that the event was given on the stream."""

    place: int


class Listener:
    """Projects' delivery, with a handler of its own; `applied` holds the places of an aggregate's events."""

    def __init__(self, world: World) -> None:
        """Listen in `world`, to one new aggregate."""
        self._world = world
        self.applied: list[int] = []
        self.aggregate = new_id(SystemClock().now())

    @classmethod
    @asynccontextmanager
    async def started(cls, world: World, *, nats_url: str | None = None) -> AsyncIterator["Listener"]:
        """Run one that reaches NATS at `nats_url`."""
        listener, access = cls(world), world.projects
        client = await connect(
            nats_url or access.nats_url, user=access.user, password=access.password, name=access.slug
        )
        database = Database(connect_app(access.app_url, access.slug), access.slug, SystemClock())
        consumer = Consumer(client, database, {_TYPE: Subscription(Heard, listener._apply)})
        delivery = Delivery(access.relay_url, access.slug, client=client, relay=Relay(client), consumer=consumer)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(delivery.run)
            await known(database, access.tenants[:1])
            await until(listener.asks)
            yield listener
            tasks.cancel_scope.cancel()
        await delivery.finish()
        await client.close()
        await database.close()

    async def publish(self, *places: int) -> None:
        """Put events of the aggregate on the stream."""
        for place in places:
            tenant, event_id, now = self._world.projects.tenants[0], new_id(SystemClock().now()), SystemClock().now()
            envelope = {
                "specversion": "1.0",
                "id": str(event_id),
                "source": "/test",
                "type": _TYPE,
                "subject": str(self.aggregate),
                "time": now.isoformat(),
                "tenantid": str(tenant),
                "aggregatetype": "Customer",
                "sequence": place,
                "schemaversion": 1,
                "correlationid": str(event_id),
                "data": {"place": place},
            }
            await jetstream(self._world.admin).publish(event_subject(str(tenant), _TYPE), orjson.dumps(envelope))

    async def applies(self, *places: int) -> None:
        """Wait until these events, and no others, were applied in this order."""

        async def all_applied() -> bool:
            assert self.applied == list(places)[: len(self.applied)], "out of order"
            return len(self.applied) == len(places)

        await until(all_applied, _BEFORE_REDELIVERY_S)

    async def in_flight(self) -> int:
        """Return how many messages the server has handed out and not heard of again."""
        return (await self._consumer())["num_ack_pending"]

    async def asks(self) -> bool:
        """Return whether a request for messages waits at the server."""
        return (await self._consumer())["num_waiting"] > 0

    async def lose_lease(self) -> None:
        """End the session that holds the lease, as a restart of the database does, and wait until it is taken anew."""
        before = await self._epoch()
        connection = await asyncpg.connect(self._world.postgres.admin_url)
        try:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mewayz-projects-relay'"
            )
        finally:
            await connection.close()

        async def taken_anew() -> bool:
            return await self._epoch() > before

        await until(taken_anew)

    async def _apply(self, _tx: Any, event: Heard) -> None:
        self.applied.append(event.place)

    async def _epoch(self) -> int:
        connection = await asyncpg.connect(self._world.projects.relay_url)
        try:
            return await connection.fetchval("select epoch from kit.consumer_lease where consumer = 'projects'")
        finally:
            await connection.close()

    async def _consumer(self) -> Any:
        return await ask(self._world.admin, "CONSUMER.INFO.EVENTS.projects")
