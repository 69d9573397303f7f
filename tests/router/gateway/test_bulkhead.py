"""Places at a module are shared fairly between tenants (events.md, G; router.md, B2.10)."""

import asyncio
from uuid import UUID

import anyio
import pytest

from router.errors import Overloaded
from router.gateway.bulkhead import Bulkheads
from router.gateway.settings import Settings
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
LOUD, QUIET = UUID(int=1), UUID(int=2)


class Crowd:
    """Requests that hold a place until told to leave."""

    def __init__(self, group: anyio.abc.TaskGroup, **bounds: int) -> None:
        self.bulkheads = Bulkheads(Settings(**bounds))
        self.served: list[UUID] = []
        self.refused: list[UUID] = []
        self._group = group
        self._until = anyio.current_time() + PATIENCE_S
        self._leave: list[anyio.Event] = []

    async def comes(self, tenant: UUID, times: int = 1) -> None:
        for _ in range(times):
            self._group.start_soon(self._one, tenant)
            await anyio.wait_all_tasks_blocked()

    async def one_leaves(self) -> None:
        self._leave.pop(0).set()
        await anyio.wait_all_tasks_blocked()

    async def _one(self, tenant: UUID) -> None:
        try:
            async with self.bulkheads.place("crm", tenant, self._until):
                self.served.append(tenant)
                leave = anyio.Event()
                self._leave.append(leave)
                await leave.wait()
        except Overloaded:
            self.refused.append(tenant)


async def test_tenants_that_wait_take_turns() -> None:
    async with anyio.create_task_group() as group:
        crowd = Crowd(group, module_concurrency=1, tenant_concurrency=1, module_queue=10)
        await crowd.comes(LOUD, 5)
        await crowd.comes(QUIET, 2)

        for _ in range(4):
            await crowd.one_leaves()

        assert crowd.served == [LOUD, LOUD, QUIET, LOUD, QUIET]
        group.cancel_scope.cancel()


async def test_one_tenant_holds_no_more_than_its_share() -> None:
    async with anyio.create_task_group() as group:
        crowd = Crowd(group, module_concurrency=4, tenant_concurrency=2, module_queue=10)
        await crowd.comes(LOUD, 8)
        await crowd.comes(QUIET, 1)

        assert crowd.served == [LOUD, LOUD, QUIET]
        group.cancel_scope.cancel()


async def test_a_full_queue_turns_away_the_tenant_that_filled_it() -> None:
    async with anyio.create_task_group() as group:
        crowd = Crowd(group, module_concurrency=1, tenant_concurrency=1, module_queue=3)
        await crowd.comes(LOUD, 5)
        assert crowd.refused == [LOUD]

        await crowd.comes(QUIET, 1)

        assert crowd.refused == [LOUD, LOUD]
        await crowd.one_leaves()
        await crowd.one_leaves()
        assert QUIET in crowd.served
        group.cancel_scope.cancel()


async def test_who_stops_waiting_takes_no_place() -> None:
    async with anyio.create_task_group() as group:
        crowd = Crowd(group, module_concurrency=1, tenant_concurrency=1, module_queue=3)
        await crowd.comes(LOUD)
        with pytest.raises(TimeoutError):
            async with crowd.bulkheads.place("crm", QUIET, anyio.current_time() + 0.01):
                pytest.fail("there was no place")

        await crowd.one_leaves()
        await crowd.comes(QUIET)

        assert crowd.served == [LOUD, QUIET]
        group.cancel_scope.cancel()


async def test_a_request_that_stops_waiting_as_another_takes_its_room_makes_no_trouble() -> None:
    """The other one was answered INTERNAL"""
    bulkheads = Bulkheads(Settings(module_concurrency=1, tenant_concurrency=1, module_queue=2))
    until = anyio.current_time() + PATIENCE_S

    async def comes(tenant: UUID) -> None:
        async with bulkheads.place("crm", tenant, until):
            await anyio.sleep_forever()

    async with asyncio.TaskGroup() as group:
        loud = [group.create_task(comes(LOUD)) for _ in range(3)]
        await anyio.wait_all_tasks_blocked()

        quiet = group.create_task(comes(QUIET))
        loud[-1].cancel()
        await anyio.wait_all_tasks_blocked()

        assert not quiet.done()
        for task in (*loud, quiet):
            task.cancel()
