"""What is delivered again for a rebuild has its effects in the database again, and none outside (contracts.md, "Events")."""

import asyncio
from typing import Any

import asyncpg
import pytest

from shared.clock import SystemClock
from shared.database.engine import connect_app
from shared.database.transaction import Database
from shared.events.consumer import Consumer, Subscription
from shared.events.inbox import say_replayed
from shared.events.lease import Lease
from shared.events.stream import deliver_again, state_of_stream
from shared.wire.envelope import Event
from shared.wire.jetstream import StreamLost, connect
from tests.modules import RunningModule, until
from tests.services import NatsServer
from tests.shared.test_events import fresh

pytestmark = pytest.mark.anyio


class Sent(Event, type="letter.sent"):
    """Somebody is to get a mail."""

    number: int


class Kept(Event, type="letter.kept"):
    """A row is to be written."""

    number: int


async def test_a_rebuild_repeats_what_was_written_and_sends_no_mail_twice(
    crm: RunningModule, nats_server: NatsServer
) -> None:
    ada = await crm.new_tenant()
    user, password = await nats_server.add_module("mailer", subscribes=(Sent.type, Kept.type))
    client = await connect(nats_server.url, user=user, password=password, name="mailer")
    database = Database(connect_app(crm.urls.app_url, "crm"), "crm", SystemClock())
    admin = await asyncpg.connect(crm.urls.owner_url.split("&role=")[0].split("?role=")[0])
    mails, rows = list[int](), list[int]()

    async def mail(_tx: Any, event: Sent) -> None:
        mails.append(event.number)

    async def write(_tx: Any, event: Kept) -> None:
        rows.append(event.number)

    epoch = await admin.fetchval("insert into kit.consumer_lease values ('mailer', 1) returning epoch")
    subscriptions = {Sent.type: Subscription(Sent, mail, external=True), Kept.type: Subscription(Kept, write)}
    lease = Lease(admin, "mailer", epoch)

    async def consume() -> None:
        while True:
            try:
                await Consumer(client, database, subscriptions).run(lease)
            except* StreamLost:
                pass

    async def publish(number: int) -> None:
        for kind in (Sent, Kept):
            await crm.publish(ada.tenant, kind.type, "Letter", fresh(), 1, {"number": number})

    running = asyncio.ensure_future(consume())
    await publish(1)

    async def once() -> bool:  # and for good: a handler has done its part before the transaction commits
        known = await admin.fetchval("select count(*) from kit.inbox_key where key like 'Letter/%'")
        return (mails, rows, known) == ([1], [1], 2)

    await until(once)
    await admin.execute("delete from kit.inbox_key where tenant_id = $1", ada.tenant)  # a database of an earlier day
    await say_replayed(crm.urls.relay_url, (await state_of_stream(crm.admin)).at)
    await deliver_again(crm.admin, ["mailer"])
    await publish(2)

    async def again() -> bool:
        return (mails, rows) == ([1, 2], [1, 1, 2])

    await until(again)
    running.cancel()
    await asyncio.wait([running])
    await asyncio.gather(client.close(), database.close(), admin.close())
