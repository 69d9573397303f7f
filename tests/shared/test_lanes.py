"""Lanes: what is applied together, what goes alone, and that an aggregate's events never overtake each other (events.md, B4)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from nats.aio.msg import Msg

from shared.events.lanes import Lanes, Taken
from shared.events.subscription import Subscription
from shared.wire.envelope import Envelope, Event

pytestmark = pytest.mark.anyio
Settled = list[list[int]]


class Heard(Event, type="thing.happened"):
    """Nothing but that it happened."""


async def apply(_tx: Any, _event: Any) -> None:
    """Never called: the lanes only say what is settled when."""


def taken(tenant: int, aggregate: int, sequence: int, *, external: bool = False) -> Taken:
    envelope = Envelope(
        id=UUID(int=sequence),
        source="/test",
        type="thing.happened",
        subject=UUID(int=aggregate),
        time=datetime(2026, 1, 1, tzinfo=UTC),
        tenant_id=UUID(int=tenant),
        aggregate_type="Thing",
        sequence=sequence,
        schema_version=1,
        correlation_id=UUID(int=0),
        data={},
    )
    message = Msg(_client=None, reply=f"$JS.ACK.EVENTS.m.1.{sequence}.1.0.0")  # pyright: ignore[reportArgumentType]
    return Taken(message, envelope, Subscription(Heard, apply, external=external))


async def settled(
    events: Sequence[Taken], settle: Callable[[Sequence[Taken]], Awaitable[bool]], more: Sequence[Taken] = ()
) -> Settled:
    """Put events into lanes, `more` once they have begun; return what was settled together, in order, by sequence."""
    done: Settled = []

    async def note(together: Sequence[Taken]) -> bool:
        is_settled = await settle(together)
        if is_settled:
            done.append([one.envelope.sequence for one in together])
        return is_settled

    async with asyncio.TaskGroup() as tasks:
        lanes = Lanes(tasks, note)
        for one in events:
            lanes.put(one)
        await asyncio.sleep(0)
        for one in more:
            lanes.put(one)
        await lanes.drain()
    return done


def flat(done: Settled) -> list[int]:
    return [sequence for together in done for sequence in together]


async def always(_together: Sequence[Taken]) -> bool:
    await asyncio.sleep(0)
    return True


async def alone_only(together: Sequence[Taken]) -> bool:
    await asyncio.sleep(0)
    return len(together) == 1


async def test_a_tenants_events_go_together_and_tenants_apart() -> None:
    done = await settled([taken(1, 1, 1), taken(2, 2, 2), taken(1, 3, 3), taken(1, 1, 4)], always)

    assert sorted(done) == [[1, 3, 4], [2]]


async def test_no_more_than_32_go_together() -> None:
    done = await settled([taken(1, number, number) for number in range(1, 71)], always)

    assert [len(together) for together in done] == [32, 32, 6]
    assert flat(done) == list(range(1, 71))


async def test_what_fails_together_is_settled_one_by_one_in_the_order_of_its_aggregate() -> None:
    events = [taken(1, number % 3, number) for number in range(1, 31)]
    later = [taken(1, number % 3, number) for number in range(31, 61)]

    done = await settled(events, alone_only, later)

    assert sorted(flat(done)) == list(range(1, 61))
    for aggregate in range(3):
        own = [number for (number,) in done if number % 3 == aggregate]
        assert own == sorted(own)


async def test_an_aggregate_that_waits_alone_holds_up_no_other_and_is_not_overtaken_by_its_own() -> None:
    other_is_done = asyncio.Event()

    async def settle(together: Sequence[Taken]) -> bool:
        sequences = [one.envelope.sequence for one in together]
        if 1 in sequences and len(sequences) > 1:
            return False
        if sequences == [1]:
            async with asyncio.timeout(10):
                await other_is_done.wait()
        if 4 in sequences:
            other_is_done.set()
        return True

    done = await settled([taken(1, 1, 1), taken(1, 2, 2)], settle, [taken(1, 1, 3), taken(1, 2, 4)])

    order = flat(done)
    assert order.index(4) < order.index(1) < order.index(3)
    assert order.index(2) < order.index(4)


async def test_an_effect_outside_the_platform_is_never_undone_with_others() -> None:
    events = [taken(1, 1, 1), taken(1, 1, 2, external=True), taken(1, 1, 3), taken(1, 2, 4)]

    done = await settled(events, always)

    assert [2] in done
    own = [number for number in flat(done) if number != 4]
    assert own == [1, 2, 3]


async def test_an_event_that_is_handed_out_again_while_it_waits_is_settled_once() -> None:
    """The server repeats every 30 s what it has not heard of: an hour without a database was 60,000 events in memory"""
    events = [taken(1, 1, 1), taken(1, 2, 2), taken(2, 3, 3)]

    done = await settled(events, alone_only, events)

    assert sorted(flat(done)) == [1, 2, 3]


async def test_an_event_that_comes_again_when_it_is_settled_is_settled_again() -> None:
    """Its acknowledgement was lost: somebody has to send another"""
    lanes_done: list[int] = []

    async def settle(together: Sequence[Taken]) -> bool:
        lanes_done.extend(one.envelope.sequence for one in together)
        return True

    async with asyncio.TaskGroup() as tasks:
        lanes = Lanes(tasks, settle)
        for _ in range(2):
            lanes.put(taken(1, 1, 1))
            await lanes.drain()

    assert lanes_done == [1, 1]
