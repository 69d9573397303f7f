"""What the chaos run once found broken, made to happen each time: an aggregate's events that overtake each other."""

from collections.abc import AsyncIterator

import pytest

from benchmarks.events_world import World
from tests.chaos.listener import Listener
from tests.chaos.wire import Wire
from tests.modules import until

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


async def test_a_consumer_that_begins_anew_leaves_no_open_request_behind(world: World) -> None:
    """events.md, B3: the server handed messages to whoever had asked before, and was gone; later ones overtook them"""
    async with Listener.started(world) as listener:
        await listener.publish(1)
        await listener.applies(1)

        await listener.lose_lease()
        await until(listener.asks)
        await listener.publish(2, 3, 4, 5)

        await listener.applies(1, 2, 3, 4, 5)
