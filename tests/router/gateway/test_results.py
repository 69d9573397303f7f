"""What came of a tenant's commands is read from JetStream once, then only what is new."""

from datetime import timedelta
from uuid import UUID

import anyio
import msgspec
import pytest

from mewayz.servers.nats import GATEWAY, gateway_user
from router.gateway.commands.connection import Connection
from router.gateway.commands.results import Results
from shared.clock import SystemClock, new_id
from shared.wire.jetstream import Message, publish
from shared.wire.receipt import Settled, Status, result_subject
from tests.services import NatsServer
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


async def test_results_are_read_once_and_then_only_what_is_new(nats_server: NatsServer) -> None:
    """Each list of three receipts read all that the tenant had: 10,000 took 1.1 to 2.0 s"""
    await nats_server.nats.allow(gateway_user())
    connection, tenant = (
        Connection(nats_server.url, lambda: nats_server.nats.credentials(GATEWAY)),
        new_id(SystemClock().now()),
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.follow, _nothing)
        with anyio.fail_after(PATIENCE_S):
            while not connection.is_made:  # noqa: ASYNC110 it has no event
                await anyio.sleep(0.01)
        results, running = Results(connection), settled(Status.RUNNING)
        for one in (running, *(settled(Status.DONE) for _ in range(300))):
            await keep(connection, tenant, one)
        assert len(await results.of(tenant)) == 301

        await keep(connection, tenant, done := msgspec.structs.replace(running, status=Status.DONE))
        heard = connection.client.stats["in_msgs"]
        known = await results.of(tenant)

        assert known[running.receipt] == done
        assert len(known) == 301
        assert connection.client.stats["in_msgs"] - heard < 10
        tasks.cancel_scope.cancel()


async def _nothing(*_: object) -> None:
    pass


async def keep(connection: Connection, tenant: UUID, one: Settled) -> None:
    message_id = f"{one.receipt}-{one.status}"
    await publish(connection.client, Message(result_subject(tenant, one.receipt), message_id, msgspec.json.encode(one)))


def settled(status: Status) -> Settled:
    now = SystemClock().now()
    return Settled(
        receipt=new_id(now),
        module="crm",
        command="closeDealWon",
        user=new_id(now),
        input_hash="",
        status=status,
        queued_at=now,
        expires_at=now + timedelta(hours=1),
        settled_at=now,
    )
