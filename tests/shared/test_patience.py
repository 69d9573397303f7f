"""How long an event is tried: a statement that takes too long parks it in the end, a disk that is full does not."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from shared.clock import SystemClock
from shared.database.engine import connect_app
from shared.database.transaction import Database, Transaction
from shared.events.consumer import Consumer, Subscription
from shared.events.relay import Relay
from shared.hosting.process import Delivery
from shared.wire.envelope import Event
from shared.wire.jetstream import connect
from tests.modules import RunningModule
from tests.services import NatsServer

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]
_TYPE = "invoice.paid"


class Heard(Event, type=_TYPE):
    """Whatever it says."""


@asynccontextmanager
async def ears(
    crm: RunningModule, nats_server: NatsServer, handler: Callable[[Transaction, Any], Awaitable[None]]
) -> AsyncIterator[None]:
    """A second consumer of CRM's events on CRM's database, under a name of its own and with little patience."""
    user, password = await nats_server.add_module("ears", subscribes=(_TYPE,))
    client = await connect(nats_server.url, user=user, password=password, name="ears")
    database = Database(connect_app(crm.urls.app_url, "crm"), "crm", SystemClock())
    consumer = Consumer(client, database, {_TYPE: Subscription(Heard, handler)}, patience_s=0.5)
    delivery = Delivery(crm.urls.relay_url, "ears", client=client, relay=Relay(client), consumer=consumer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        yield
        tasks.cancel_scope.cancel()
    await delivery.finish()
    await client.close()
    await database.close()
