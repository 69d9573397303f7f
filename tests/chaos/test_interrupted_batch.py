"""A relay that ends in the middle of a batch: what its last pass sends is refused at first, and all is sent all the same."""

import asyncio
from pathlib import Path

import pytest

from benchmarks.events_world import World, known, register, running
from mewayz.servers.streams import connect as connect_admin
from shared.clock import SystemClock
from shared.database.engine import connect_app
from shared.database.transaction import Database
from shared.events import relay
from shared.events.audit import audit
from shared.events.lease import take_lease
from shared.events.relay import Relay
from shared.wire.envelope import event_subject
from shared.wire.jetstream import connect
from tests.waiting import PATIENCE_S, messages

_SENT = "select envelope->>'subject' as customer from kit.outbox_sent where type = 'customer.created' order by id"


@pytest.fixture(autouse=True)
def patient_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last pass may take longer than a module's process gives it: what it sends is tested, not how fast."""
    monkeypatch.setattr(relay, "_DRAIN_S", PATIENCE_S)


pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120), pytest.mark.xdist_group("outages")]


async def test_the_last_pass_sends_all_though_a_batch_was_left_open(tmp_path: Path) -> None:
    """events.md, C3; ADR-50: the server refuses a batch whose id it has open already, and forgets both"""
    async with World.started(tmp_path) as world:
        tenant = world.crm.tenants[0]
        async with running(world.crm, None) as crm:
            await known(crm, [tenant])
        unheard = Database(connect_app(world.crm.app_url, "crm"), "crm", SystemClock(), lambda: None)
        for _ in range(5):
            await register(unheard, tenant)
        await unheard.close()
        lease = await take_lease(world.crm.relay_url, "crm")
        rows = await lease.fetch("select event_id, type, envelope::text as envelope from kit.outbox order by id")
        assert len(rows) >= 5
        access = world.crm
        async with await connect(access.nats_url, user=access.user, password=access.password, name="crm") as client:
            for number, row in enumerate(rows[:3], 1):
                event = str(row["event_id"])
                headers = {"Nats-Batch-Id": str(rows[0]["event_id"]), "Nats-Batch-Sequence": str(number)}
                await client.publish(
                    event_subject(str(tenant), row["type"]),
                    row["envelope"].encode(),
                    headers=headers | {"Nats-Msg-Id": event},
                )
            await Relay(client).drain(lease)
        assert not await lease.fetch("select from kit.outbox")
        await lease.release()
        async with await connect_admin(world.nats.admin_url) as admin:
            sent = await audit({"crm": world.crm.relay_url}, admin)
        assert (sent.faults, sent.modules["crm"].sent) == ([], len(rows))


async def test_a_relay_that_ends_at_any_moment_has_each_event_sent_once_and_in_order(tmp_path: Path) -> None:
    """events.md, C1 and H2: before, in and after a batch, before and after what it sent is noted"""
    async with World.started(tmp_path) as world:
        tenant, access = world.crm.tenants[0], world.crm
        async with running(world.crm, None) as crm:
            await known(crm, [tenant])
        unheard = Database(connect_app(access.app_url, "crm"), "crm", SystemClock(), lambda: None)
        customers: list[str] = []
        for step in range(60):
            customers += [await register(unheard, tenant) for _ in range(3)]
            lease = await take_lease(access.relay_url, "crm")
            client = await connect(access.nats_url, user=access.user, password=access.password, name="crm")
            relaying = asyncio.ensure_future(Relay(client).run(lease))
            await asyncio.sleep(step * 0.0002)
            relaying.cancel()
            await asyncio.wait([relaying])
            await asyncio.gather(lease.release(), client.close())
        await unheard.close()
        lease = await take_lease(access.relay_url, "crm")
        async with await connect(access.nats_url, user=access.user, password=access.password, name="crm") as client:
            await Relay(client).drain(lease)
        sent = [row["customer"] for row in await lease.fetch(_SENT)]
        await lease.release()

        heard = [one["subject"] for one in await messages(world.admin, "evt.*.customer.created")]

    assert heard == sent == customers
