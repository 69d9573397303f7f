"""What the chaos run once found broken, made to happen each time: an aggregate's events that overtake each other."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from benchmarks.events_world import World
from shared.events.lease import Lease, LeaseLost, take_lease
from shared.events.relay import Relay
from shared.hosting.process import Delivery
from shared.wire.jetstream import connect, last_message
from tests.chaos.listener import Listener
from tests.chaos.wire import Wire
from tests.modules import until
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120), pytest.mark.xdist_group("outages")]


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Servers of their own: other tests' events don't pass here."""
    async with World.started(tmp_path_factory.mktemp("world")) as started:
        yield started


async def test_an_event_that_was_under_way_when_nats_broke_is_not_overtaken(world: World) -> None:
    """events.md, B3: it would come again after 30 s, behind newer ones, and be dropped as known (102 events in one run)"""
    async with Wire.to(world.nats.url) as wire, Listener.started(world, nats_url=wire.url) as listener:
        await listener.publish(1)
        await listener.applies(1)

        wire.swallow()
        await listener.publish(2)

        async def is_under_way() -> bool:
            return await listener.in_flight() == 1

        await until(is_under_way)
        wire.cut()
        await listener.publish(3, 4)

        await listener.applies(1, 2, 3, 4)


async def test_an_event_that_did_not_arrive_is_not_overtaken_though_no_connection_broke(world: World) -> None:
    """events.md, B3: in a cluster of three the server died that handed it out, and not the one that modules talk to"""
    async with Wire.to(world.nats.url) as wire, Listener.started(world, nats_url=wire.url) as listener:
        await listener.publish(1)
        await listener.applies(1)

        wire.swallow()
        await listener.publish(2)

        async def is_under_way() -> bool:
            return await listener.in_flight() == 1

        await until(is_under_way)
        wire.listen()
        await listener.publish(3, 4)

        await listener.applies(1, 2, 3, 4)


async def test_a_consumer_that_begins_anew_leaves_no_open_request_behind(world: World) -> None:
    """events.md, B3: the server handed messages to whoever had asked before, and was gone; later ones overtook them"""
    async with Listener.started(world) as listener:
        await listener.publish(1)
        await listener.applies(1)

        await listener.lose_lease()
        await until(listener.asks)
        await listener.publish(2, 3, 4, 5)

        await listener.applies(1, 2, 3, 4, 5)


async def test_a_lease_whose_holder_hangs_goes_to_the_next(world: World) -> None:
    """events.md, H3: without a supervisor nobody kills it; its session would hold the lock until it is found by hand"""
    url = world.projects.relay_url
    hangs = await take_lease(url, "projects", silent_s=0.5)

    async with asyncio.timeout(PATIENCE_S):
        taken = await take_lease(url, "projects", silent_s=0.3)  # and waits longer than one session may

    assert taken.epoch == hangs.epoch + 1
    with pytest.raises(LeaseLost):
        await hangs.fetch("select 1")
    await asyncio.gather(taken.release(), hangs.release())


class Loses:
    """In the place of a consumer: it loses the lease when the test says so."""

    def __init__(self) -> None:
        self.runs = asyncio.Event()
        self.loses = asyncio.Event()

    async def run(self, _lease: Lease) -> None:
        self.runs.set()
        await self.loses.wait()
        raise LeaseLost("the database ended")


async def test_delivery_ends_though_its_lease_is_lost_in_that_moment(world: World) -> None:
    """Platform and servers ended at once: a module went on trying for ever, since a task group forgot that it was cancelled"""
    access, loses = world.projects, Loses()
    async with await connect(access.nats_url, user=access.user, password=access.password, name="projects") as client:
        relay: Any = Relay(client)
        consumer: Any = loses
        delivery = Delivery(access.relay_url, "projects", client=client, relay=relay, consumer=consumer)
        delivering = asyncio.ensure_future(delivery.run())
        await asyncio.wait_for(loses.runs.wait(), PATIENCE_S)
        await asyncio.sleep(0.1)

        loses.loses.set()
        delivery.end()
        delivering.cancel()

        await asyncio.wait([delivering], timeout=PATIENCE_S)
        assert delivering.done()
        await delivery.finish()


async def test_who_asks_nats_can_be_cancelled_at_any_moment(world: World) -> None:
    """Python 3.11's wait_for loses a cancellation that comes with the answer"""

    async def ask_on() -> None:
        while True:
            await last_message(world.admin, "CMDRES", "cmdres.nobody.nothing")

    for number in range(200):
        asking = asyncio.ensure_future(ask_on())
        await asyncio.sleep(0.0002 * (number % 20))
        asking.cancel()
        await asyncio.wait([asking], timeout=PATIENCE_S)
        assert asking.done()
