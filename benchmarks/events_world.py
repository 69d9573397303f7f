"""The world of `bench events`: servers, two modules' databases and users, and what runs in the modules' processes."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import uvloop
from sqlalchemy import event

from mewayz.folders import folders_of
from mewayz.passwords import Passwords
from mewayz.servers.databases import make_database
from mewayz.servers.nats import Nats, module_user
from mewayz.servers.postgres import Postgres
from mewayz.servers.streams import connect as connect_admin
from mewayz.servers.streams import make_consumers, make_streams
from shared.clock import SystemClock, new_id
from shared.commands.command import Call, run_command
from shared.database.engine import connect_app
from shared.database.entity import Entity
from shared.database.migrate import migrate
from shared.database.transaction import Database, Transaction
from shared.errors import NotYet
from shared.events.consumer import Consumer
from shared.events.relay import Relay
from shared.events.subscription import Subscription
from shared.hosting.process import Delivery
from shared.module import load
from shared.wire.envelope import Cause, event_subject
from shared.wire.jetstream import MAX_BATCH, Message, connect, publish_batch
from shared.wire.log import configure_log
from shared.wire.principal import Principal
from tests.waiting import jetstream

_TENANTS = 8
_WRITERS = 16
_AHEAD = 200  # writers wait where this many effects are outstanding
_ONE_STATEMENT = "insert into kit.schedule (tenant_id, name, done_at) values ($1, $2, now()) on conflict do nothing"


@dataclass(frozen=True)
class ModuleAccess:
    """What a module's process is told."""

    slug: str
    tenants: list[UUID]
    app_url: str
    relay_url: str
    owner_url: str
    nats_url: str
    user: str
    password: str


@dataclass
class World:
    """Running servers and the two modules' access."""

    crm: ModuleAccess
    projects: ModuleAccess
    admin: Any
    nats: Nats
    postgres: Postgres

    @classmethod
    @asynccontextmanager
    async def started(cls, folder: Path) -> AsyncIterator["World"]:
        """Start servers in `folder`, make both modules' databases and consumers, and some tenants."""
        folders = folders_of(folder)
        folders.create()
        passwords = Passwords(folders.secrets)
        postgres, nats = Postgres(folders, passwords), Nats(folders, passwords)
        async with AsyncExitStack() as stack:
            await postgres.start()
            stack.push_async_callback(postgres.stop)
            await nats.start()
            stack.push_async_callback(nats.stop)
            admin = await connect_admin(nats.admin_url)
            stack.push_async_callback(admin.close)
            await make_streams(admin)
            tenants = [new_id(datetime.now(UTC)) for _ in range(_TENANTS)]  # noqa: TID251 outside the platform
            crm, projects = [
                await _access(slug, tenants, postgres, nats, admin, passwords) for slug in ("crm", "projects")
            ]
            for tenant in tenants:
                await jetstream(admin).publish(event_subject(str(tenant), "tenant.created"), _tenant_created(tenant))
            yield cls(crm, projects, admin, nats, postgres)

    async def publish_customers(self, count: int) -> None:
        """Put events of new customers on the stream, as CRM would."""
        for start in range(0, count, MAX_BATCH):
            messages = [self._customer(number) for number in range(start, min(start + MAX_BATCH, count))]
            await publish_batch(self.admin, messages)

    def _customer(self, number: int) -> Message:
        tenant = self.crm.tenants[number % _TENANTS]
        customer = new_id(datetime.now(UTC))  # noqa: TID251 outside the platform
        data = {"customerId": str(customer), "name": f"Customer {number}", "kind": "COMPANY"}
        envelope = _envelope(tenant, "customer.created", "Customer", customer, data)
        return Message(event_subject(str(tenant), "customer.created"), envelope["id"], orjson.dumps(envelope))


def writers(access: ModuleAccess, results: Any, total: Any, done: Any, seconds: float, per_s: float | None) -> None:
    """Run CRM for some seconds: commands at a pace, or as many as their effects can follow; tell when each began."""
    _begin(access)
    results.put(uvloop.run(_write(access, total, done, seconds, per_s)))


def effects(access: ModuleAccess, results: Any, total: Any, done: Any) -> None:
    """Run Projects' consumer until every command has had its effect; tell when each was committed."""
    _begin(access)
    results.put(uvloop.run(_apply(access, total, done)))


def backlog(access: ModuleAccess, results: Any, waiting: int, handler: str) -> None:
    """Run Projects' consumer until what waits is applied; tell how long it took from its first effect."""
    _begin(access)
    results.put(uvloop.run(_drain(access, waiting, handler)))


def _begin(access: ModuleAccess) -> None:
    """Begin as a module's process does: what is loaded by then is frozen, as the zygote freezes it (mewayz/runtime/zygote.py)."""
    configure_log("error")
    load(access.slug)
    gc.freeze()


async def _write(access: ModuleAccess, total: Any, done: Any, seconds: float, per_s: float | None) -> dict[str, Any]:
    started: dict[str, float] = {}
    async with running(access, None) as database:
        await known(database, access.tenants)
        for tenant in access.tenants:  # what is made once only: plans, statements, connections
            await register(database, tenant)
        await _until(lambda: done.value == _TENANTS)
        pace = Pace(time.monotonic() + seconds, _WRITERS / per_s if per_s else 0.0, started, done)
        async with asyncio.TaskGroup() as tasks:
            for number in range(_WRITERS):
                tasks.create_task(_writer(database, access.tenants[number % _TENANTS], number, pace))
        total.value = _TENANTS + len(started)
        await _until(lambda: done.value >= total.value)
    return {"started": started, "cpu_ms": time.process_time() * 1000 / total.value}


async def known(database: Database, tenants: list[UUID]) -> None:
    """Wait until the module has heard of the tenants."""
    for tenant in tenants:
        while True:
            try:
                async with database.transaction(Principal(tenant=tenant)) as tx:
                    await tx.tenant()
                break
            except NotYet:
                await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Pace:
    """Until when writers write, how often each, and how far they are ahead of the effects."""

    end: float
    pause_s: float
    started: dict[str, float]
    done: Any

    async def turn(self, due: float) -> None:
        """Wait until a writer's next command is due and its effects can follow."""
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        while _TENANTS + len(self.started) - self.done.value > _AHEAD:  # noqa: ASYNC110 another process's count
            await asyncio.sleep(0.002)


async def _writer(database: Database, tenant: UUID, number: int, pace: Pace) -> None:
    due = time.monotonic() + pace.pause_s * number / _WRITERS
    while time.monotonic() < pace.end:
        await pace.turn(due)
        due += pace.pause_s
        begun = time.monotonic()
        pace.started[await register(database, tenant)] = begun


async def register(database: Database, tenant: UUID) -> str:
    """Register a customer, as CRM's mutation does, and return its id."""
    module = load("crm")
    ((function, mark),) = [(one, mark) for one, mark in module.commands if one.__name__ == "register_customer"]
    model = next(one for one in module.entities if one.__name__ == "Customer")
    principal = Principal(tenant=tenant, user=tenant, permissions=("*",))
    call = Call(principal, Cause(correlation_id=new_id(database.clock.now())), {"name": "Acme", "force": True})
    outcome = await run_command(database, function, mark, model, call)
    assert isinstance(outcome.result, Entity), outcome.errors
    return str(outcome.result.id)


async def _apply(access: ModuleAccess, total: Any, done: Any) -> dict[str, Any]:
    ended: dict[str, float] = {}

    def applied(customer: str) -> None:
        ended[customer] = time.monotonic()
        done.value = len(ended)

    async with running(access, applied):
        await _until(lambda: 0 < total.value <= len(ended))
    return {"ended": ended, "cpu_ms": time.process_time() * 1000 / total.value}


async def _drain(access: ModuleAccess, waiting: int, handler: str) -> float:
    times: list[float] = []
    statement = handler == "sql"
    async with running(access, lambda _: times.append(time.monotonic()), one_statement=statement):
        await _until(lambda: len(times) >= waiting)
    return times[-1] - times[0]


async def _until(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what the benchmark awaits didn't happen in time"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def running(
    access: ModuleAccess, applied: Callable[[str], None] | None, *, one_statement: bool = False
) -> AsyncIterator[Database]:
    """Run a module's delivery as its process does; `applied` is told of each committed effect."""
    client = await connect(access.nats_url, user=access.user, password=access.password, name=access.slug)
    relay = Relay(client)
    database = Database(connect_app(access.app_url, access.slug), access.slug, SystemClock(), relay.wake)
    consumer = Consumer(client, database, _watched(access.slug, applied, one_statement)) if applied else None
    delivery = Delivery(access.relay_url, access.slug, client=client, relay=relay, consumer=consumer)
    delivering = asyncio.ensure_future(delivery.run())
    yield database
    await delivery.drain()
    delivering.cancel()
    await asyncio.wait([delivering])
    await delivery.finish()
    await client.close()
    await database.close()


def _watched(slug: str, applied: Callable[[str], None], one_statement: bool) -> dict[str, Subscription]:
    heard = load(slug).subscriptions
    known = heard["customer.created"]

    async def handler(tx: Transaction, event_: Any) -> None:
        customer = str(event_.customer_id)
        _committing(tx, applied).append(customer)
        if one_statement:
            await tx.fetch(_ONE_STATEMENT, tx.tenant_id, customer)
        else:
            await known.handler(tx, event_)

    return {**heard, "customer.created": Subscription(known.reading, handler)}


def _committing(tx: Transaction, applied: Callable[[str], None]) -> list[str]:
    """Return the list of what `applied` is told when the transaction, which may be several events', has committed."""
    session = tx.session.sync_session
    if "customers" not in session.info:
        session.info["customers"] = customers = list[str]()
        event.listen(session, "after_commit", lambda _: [applied(customer) for customer in customers], once=True)
    return session.info["customers"]


async def _access(
    slug: str, tenants: list[UUID], postgres: Postgres, nats: Nats, admin: Any, passwords: Passwords
) -> ModuleAccess:
    urls = await make_database(postgres.admin_url, slug, passwords)
    module = load(slug)
    await migrate(slug, module.migrations, urls.owner_url)
    described = module.describe()
    await nats.allow(module_user(slug, described.publishes))
    await make_consumers(admin, slug, ["customer.created"] if slug == "projects" else described.subscribes)
    user, password = nats.credentials(slug)
    return ModuleAccess(slug, tenants, urls.app_url, urls.relay_url, urls.owner_url, nats.url, user, password)


def _tenant_created(tenant: UUID) -> bytes:
    data = {
        "slugName": f"t-{tenant.hex[-12:]}",
        "name": "Bench",
        "timezone": "Asia/Shanghai",
        "baseCurrency": "CNY",
        "defaultLocale": "en",
    }
    return orjson.dumps(_envelope(tenant, "tenant.created", "Tenant", tenant, data))


def _envelope(tenant: UUID, event_type: str, aggregate: str, subject: UUID, data: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC)  # noqa: TID251 outside the platform
    event_id = str(new_id(now))
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/bench",
        "type": event_type,
        "subject": str(subject),
        "time": now.isoformat(),
        "tenantid": str(tenant),
        "aggregatetype": aggregate,
        "sequence": 1,
        "schemaversion": 1,
        "correlationid": event_id,
        "data": data,
    }
