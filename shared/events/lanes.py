"""Which events are applied together, and which wait for each other (events.md, B4)."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from nats.aio.msg import Msg

from shared.events.subscription import Subscription
from shared.wire.envelope import Envelope
from shared.wire.jetstream import end_if_cancelled

_TOGETHER = 32


@dataclass(frozen=True, slots=True)
class Taken:
    """An event in hand, and the message to acknowledge when it is settled."""

    message: Msg
    envelope: Envelope
    subscription: Subscription

    @property
    def aggregate(self) -> tuple[UUID, str]:
        """Whose events are settled in order."""
        return self.envelope.tenant_id, self.envelope.key

    @property
    def at(self) -> datetime:
        """When the stream took it."""
        return self.message.metadata.timestamp

    @property
    def place(self) -> int:
        """Where it lies on the stream."""
        return self.message.metadata.sequence.stream


class Lanes:
    """The events in hand. A tenant has one lane, in which its events go in the order of the stream, up to 32 together.

    So handlers of one tenant don't get in each other's way, and tenants share the module evenly. What can't be settled
    together leaves the lane and goes on by itself, aggregate by aggregate, as do effects outside the platform, which
    nobody can undo: the lane flows on past them. An aggregate's events never overtake each other.
    """

    def __init__(self, tasks: asyncio.TaskGroup, settle: Callable[[Sequence[Taken]], Awaitable[bool]]) -> None:
        """Run in `tasks`. `settle` is given events of one tenant: it settles one for certain; several, or returns False."""
        self._tasks = tasks
        self._settle = settle
        self._lanes: dict[UUID, deque[Taken]] = {}
        self._alone: dict[tuple[UUID, str], deque[Taken]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._in_hand: set[int] = set()  # places on the stream

    def put(self, taken: Taken) -> None:
        """Take an event in hand, behind those of its tenant.

        One that is in hand already is handed out again each 30 s, while the database is away perhaps for hours: it is
        settled once, and memory doesn't grow.
        """
        if taken.place in self._in_hand:
            return
        self._in_hand.add(taken.place)
        tenant = taken.envelope.tenant_id
        if tenant in self._lanes:
            self._lanes[tenant].append(taken)
        else:
            self._lanes[tenant] = deque([taken])
            self._start(self._follow(tenant))

    async def drain(self) -> None:
        """Wait until all that is in hand is settled."""
        while self._running:
            await asyncio.wait(self._running)

    async def _follow(self, tenant: UUID) -> None:
        lane = self._lanes[tenant]
        while lane:
            end_if_cancelled()
            together = self._next(lane)
            if together and not await self._settle(together):
                for taken in together:
                    self._separate(taken)
            else:
                self._in_hand.difference_update(taken.place for taken in together)
        del self._lanes[tenant]

    def _next(self, lane: deque[Taken]) -> list[Taken]:
        """Take what goes together from the lane's head, or send away what goes alone."""
        together: list[Taken] = []
        while lane and len(together) < _TOGETHER:
            goes_alone = lane[0].subscription.external or lane[0].aggregate in self._alone
            if goes_alone and together:  # it may follow one of these
                break
            if goes_alone:
                self._separate(lane.popleft())
            else:
                together.append(lane.popleft())
        return together

    def _separate(self, taken: Taken) -> None:
        if taken.aggregate in self._alone:
            self._alone[taken.aggregate].append(taken)
        else:
            self._alone[taken.aggregate] = deque([taken])
            self._start(self._follow_alone(taken.aggregate))

    async def _follow_alone(self, aggregate: tuple[UUID, str]) -> None:
        events = self._alone[aggregate]
        while events:
            end_if_cancelled()
            taken = events.popleft()
            await self._settle([taken])
            self._in_hand.discard(taken.place)
        del self._alone[aggregate]

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
