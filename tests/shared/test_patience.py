"""How long an event is tried: a statement that takes too long parks it in the end, a fault that passes does not."""

import asyncio
from typing import Any

import asyncpg
import pytest
from graphql import GraphQLError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.clock import SystemClock
from shared.database.engine import connect_app
from shared.database.faults import is_timeout, is_transient
from shared.database.transaction import Database
from shared.events.consumer import Consumer, Subscription
from shared.events.lease import Lease
from shared.events.parked import list_parked
from shared.hosting.errors import shown_in_answer
from shared.wire.envelope import Event
from shared.wire.jetstream import connect
from tests.modules import RunningModule, until
from tests.services import NatsServer
from tests.shared.test_events import fresh

pytestmark = pytest.mark.anyio
_TYPE = "invoice.viewed"


class Viewed(Event, type=_TYPE):
    """Whatever it says."""


async def cancelled(crm: RunningModule) -> BaseException:
    """Return what a statement raises that takes longer than it may."""
    ada = await crm.new_tenant()
    with pytest.raises(DBAPIError) as caught:
        async with crm.transaction(ada) as tx:
            await tx.session.execute(text("set local statement_timeout = 20"))
            await tx.session.execute(text("select pg_sleep(5)"))
    return caught.value


async def test_a_statement_that_takes_too_long_is_no_fault_that_passes_for_ever(crm: RunningModule) -> None:
    error = await cancelled(crm)

    assert is_timeout(error)
    assert not is_transient(error)


async def test_of_a_query_the_fields_behind_one_that_took_too_long_are_no_defects(crm: RunningModule) -> None:
    """The fields of a query share a transaction: the next one's statement was told as a defect of the module"""
    ada = await crm.new_tenant()
    errors: list[DBAPIError] = []
    with pytest.raises(DBAPIError):
        async with crm.transaction(ada) as tx:
            await tx.session.execute(text("set local statement_timeout = 20"))
            for statement in ("select pg_sleep(5)", "select 1"):
                try:
                    await tx.session.execute(text(statement))
                except DBAPIError as error:
                    errors.append(error)
            raise errors[0]

    shown = [shown_in_answer(GraphQLError("", original_error=error), "crm") for error in errors]

    assert [one["extensions"]["code"] for one in shown] == ["MODULE_UNAVAILABLE"] * 2


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DiskFullError("could not extend file"),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.DeadlockDetectedError("deadlock detected"),
        ConnectionRefusedError("refused"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_passes_by_itself_is_waited_for(error: Exception) -> None:
    """events.md, B5 and G: nothing is parked because the database is away, or its disk is full"""
    assert is_transient(error)
    assert not is_timeout(error)


def test_a_wrong_value_does_not_pass() -> None:
    assert not is_transient(asyncpg.DataError("invalid input"))
    assert not is_transient(ValueError("invalid input"))


async def test_an_event_whose_statements_take_too_long_is_parked_in_the_end(
    crm: RunningModule, nats_server: NatsServer
) -> None:
    """It blocked its lane for ever: every try took its 5 s, was cancelled, and counted as a fault that passes"""
    ada = await crm.new_tenant()
    user, password = await nats_server.add_module("viewer", subscribes=(_TYPE,))
    client = await connect(nats_server.url, user=user, password=password, name="viewer")
    database = Database(connect_app(crm.urls.app_url, "crm"), "crm", SystemClock())
    tries: list[str] = []

    async def slow(tx: Any, _: Viewed) -> None:
        tries.append("try")
        await tx.session.execute(text("set local statement_timeout = 20"))
        await tx.session.execute(text("select pg_sleep(5)"))

    connection = await asyncpg.connect(crm.urls.relay_url)
    epoch = await connection.fetchval(
        "insert into kit.consumer_lease (consumer, epoch) values ('viewer', 1) on conflict do nothing returning epoch"
    )
    consumer = Consumer(client, database, {_TYPE: Subscription(Viewed, slow)}, patience_s=0.5)
    invoice = fresh()
    await crm.publish(ada.tenant, _TYPE, "Invoice", invoice, 1, {})

    async def is_parked() -> bool:
        return bool(await list_parked(crm.urls.relay_url, ada.tenant, f"Invoice/{invoice}"))

    running = asyncio.ensure_future(consumer.run(Lease(connection, "viewer", epoch)))
    await until(is_parked)
    running.cancel()
    await asyncio.wait([running])
    (parked,) = await list_parked(crm.urls.relay_url, ada.tenant, f"Invoice/{invoice}")
    assert "canceling statement due to statement timeout" in (parked.error or "")
    assert len(tries) > 1
    await client.close()
    await database.close()
    await connection.close()
