"""Modules that run inside the test process, on real PostgreSQL and NATS: database, relay, consumer, schema; no HTTP.

Tests share a module's database; each takes tenants of its own, which is what keeps tests apart (and what the platform
promises anyway).
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import orjson
import pytest
from nats.aio.client import Client
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from mewayz.folders import Folders
from mewayz.passwords import Passwords
from mewayz.servers.databases import ModuleDatabase, make_database
from mewayz.servers.streams import connect as connect_admin
from shared.clock import SystemClock, new_id
from shared.database.engine import connect_app
from shared.database.migrate import migrate
from shared.database.transaction import Database, Transaction
from shared.events.consumer import Consumer
from shared.events.relay import Relay
from shared.graph.context import RequestContext
from shared.hosting.documents import Documents
from shared.hosting.process import Delivery
from shared.module import Module, load
from shared.wire.envelope import Cause
from shared.wire.jetstream import connect
from shared.wire.principal import Principal
from tests.services import NatsServer
from tests.waiting import PATIENCE_S, has_sent_all, jetstream, messages

_USERS = UUID("6d657761-797a-5000-8000-757365720000")


@dataclass(frozen=True)
class Answer:
    """A GraphQL response."""

    data: Any
    errors: list[Any]

    def payload(self) -> Any:
        """Return the one root field's value, for a command; fails where GraphQL errors came."""
        assert not self.errors, self.errors
        (value,) = self.data.values()
        return value


class PatientDatabase(Database):
    """A module's database, whose statements have as long as tests wait."""

    @asynccontextmanager
    async def transaction(
        self, principal: Principal, cause: Cause | None = None, *, timeout_s: float = PATIENCE_S
    ) -> AsyncGenerator[Transaction]:
        """Open a transaction."""
        async with super().transaction(principal, cause, timeout_s=timeout_s) as tx:
            yield tx


@dataclass
class RunningModule:
    """One module, running in this process."""

    module: Module
    database: Database
    documents: Documents
    urls: ModuleDatabase
    admin: Client
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def new_tenant(
        self,
        *,
        base_currency: str = "CNY",
        time_zone: str = "Asia/Shanghai",
        locale: str = "en",
        region: str | None = "cn",
    ) -> Principal:
        """Make a tenant known to the module, by identity's event, and return an all-powerful member of it."""
        tenant = new_id(datetime.now(UTC))  # noqa: TID251 outside the platform
        data = {
            "tenantId": str(tenant),
            "name": "Test",
            "slugName": f"t-{tenant.hex[-12:]}",
            "region": region,
            "defaultLocale": locale,
            "timezone": time_zone,
            "baseCurrency": base_currency,
            "plan": "FREE",
            "ownerUserId": None,
        }
        await self.publish(tenant, "tenant.created", "Tenant", tenant, 1, data)
        principal = Principal(tenant=tenant, user=uuid5(_USERS, str(tenant)), permissions=("*",), locale=locale)

        async def known() -> bool:
            return bool(await self.rows(tenant, "select 1 from kit.tenant"))

        await until(known)
        return principal

    async def publish(
        self,
        tenant: UUID | None,
        event_type: str,
        aggregate: str,
        subject: UUID,
        sequence: int,
        data: Mapping[str, Any],
        **envelope: Any,
    ) -> UUID:
        """Publish an event as another module would; return its id."""
        event_id = envelope.pop("id", None) or new_id(datetime.now(UTC))  # noqa: TID251 outside the platform
        message = {
            "specversion": "1.0",
            "id": str(event_id),
            "source": "/test",
            "type": event_type,
            "subject": str(subject),
            "time": datetime.now(UTC).isoformat(),  # noqa: TID251 outside the platform
            "datacontenttype": "application/json",
            "tenantid": str(tenant),
            "aggregatetype": aggregate,
            "sequence": sequence,
            "schemaversion": 1,
            "actorid": None,
            "correlationid": str(event_id),
            "data": dict(data),
            **envelope,
        }
        await jetstream(self.admin).publish(f"evt.{tenant}.{event_type}", orjson.dumps(message))
        return event_id

    async def execute(self, principal: Principal, query: str, **variables: Any) -> Answer:
        """Execute a GraphQL operation as `principal`."""
        deadline = time.time() + PATIENCE_S
        cause = Cause(correlation_id=new_id(self.database.clock.now()))
        async with self.database.transaction(principal, cause) as tx:
            context = RequestContext(self.module.slug, self.database, tx, cause, deadline)
            result = await self.documents.execute(query, variables, None, context)
        plain = orjson.loads(orjson.dumps(result, default=str))
        return Answer(plain.get("data"), plain.get("errors", []))

    async def command(self, principal: Principal, name: str, selection: str, /, **arguments: Any) -> Any:
        """Call a command and return its payload; `selection` is what to select besides userErrors and receipt."""
        kind = name[0].upper() + name[1:] + "Input"
        query = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {selection} userErrors {{ code message field }} receipt {{ id status }} }} }}"
        return (await self.execute(principal, query, input=arguments)).payload()

    @asynccontextmanager
    async def transaction(self, principal: Principal) -> AsyncIterator[Transaction]:
        """Open a transaction of the module, as a command does."""
        async with self.database.transaction(principal) as tx:
            yield tx

    async def rows(self, tenant: UUID | None, statement: str, *args: Any) -> list[dict[str, Any]]:
        """Return rows as the app role of `tenant` sees them."""
        connection = await asyncpg.connect(
            self.urls.app_url, server_settings={"search_path": f"{self.module.slug},kit"}
        )
        try:
            await connection.execute(f"set app.tenant_id = '{tenant}'")
            return [dict(row) for row in await connection.fetch(statement, *args)]
        finally:
            await connection.close()

    async def outgoing(self, tenant: UUID | None, event_type: str = ">") -> list[dict[str, Any]]:
        """Return the events of a tenant in the stream's order, once the relay has sent all there are."""
        await until(partial(has_sent_all, self.urls.relay_url))
        return await messages(self.admin, f"evt.{tenant}.{event_type}")

    async def dead_letter(self, tenant: UUID | None, event_type: str) -> RawStreamMsg:
        """Return the newest notice of an event that was put aside, once there is one: it goes out after the event is parked."""
        found: list[RawStreamMsg] = []

        async def is_out() -> bool:
            subject = f"dlq.{self.module.slug}.{tenant}.{event_type}"
            with suppress(NotFoundError):
                found.append(await jetstream(self.admin).get_last_msg("DLQ", subject))
            return bool(found)

        await until(is_out)
        return found[-1]

    async def is_at_work(self) -> bool:
        """Tell whether the module has its lease: only then does it relay, and hear."""
        connection = await asyncpg.connect(self.urls.relay_url)
        try:
            has_lease = "select exists (select from kit.consumer_lease where consumer = $1)"
            return await connection.fetchval(has_lease, self.module.slug)
        finally:
            await connection.close()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_S) -> None:
    """Wait until a condition holds; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, f"not true after {seconds} s: {condition}"
        await asyncio.sleep(0.02)


Starter = Callable[[str], Awaitable[RunningModule]]


@pytest.fixture(scope="session")
async def start_module(
    postgres_admin_url: str, nats_server: NatsServer, platform_folders: Folders
) -> AsyncIterator[Starter]:
    """A function that starts a module by its slug, once a session."""
    running: dict[str, RunningModule] = {}
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        admin = await connect_admin(nats_server.admin_url)
        stack.push_async_callback(admin.close)
        deliveries: list[tuple[Delivery, asyncio.Task[None]]] = []

        async def start(slug: str) -> RunningModule:
            if slug in running:
                return running[slug]
            module = load(slug)
            urls = await make_database(postgres_admin_url, slug, Passwords(platform_folders.secrets))
            await migrate(slug, module.migrations, urls.owner_url)
            described = module.describe()
            user, password = await nats_server.add_module(
                slug, publishes=tuple(described.publishes), subscribes=tuple(described.subscribes)
            )
            client = await connect(nats_server.url, user=user, password=password, name=slug)
            stack.push_async_callback(client.close)
            relay = Relay(client)
            database = PatientDatabase(connect_app(urls.app_url, slug), slug, SystemClock(), relay.wake)
            stack.push_async_callback(database.close)
            consumer = Consumer(client, database, module.subscriptions) if module.subscriptions else None
            delivery = Delivery(urls.relay_url, slug, client=client, relay=relay, consumer=consumer)
            deliveries.append((delivery, tasks.create_task(delivery.run())))
            running[slug] = RunningModule(module, database, Documents(module), urls, admin)
            await until(running[slug].is_at_work)
            return running[slug]

        yield start
        for delivery, task in deliveries:
            task.cancel()
            await asyncio.wait([task])
            await delivery.finish()
