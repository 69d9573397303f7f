"""Scheduled work: in each tenant, once for each due time, also after an outage and by two processes."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.database.engine import connect_app
from shared.database.transaction import Database, Transaction
from shared.errors import Defect
from shared.events.lease import Lease
from shared.events.schedule import Job, Scheduler, cron, every
from shared.values import mark_of
from shared.wire.occasion import PLATFORM
from subgraphs.crm.models import Customer
from tests.modules import RunningModule

pytestmark = pytest.mark.anyio


class Hand:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 10, 8, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


class Scheduled:
    """A job on CRM's database under a clock of its own, in one tenant."""

    def __init__(self, crm: RunningModule, mark: Any) -> None:
        self.clock = Hand()
        self.ran_at: list[datetime] = []
        self.tenant: Any = None
        self.database = database = Database(crm.database.engine, "crm", self.clock)

        async def work(tx: Transaction) -> None:
            if tx.tenant_id == self.tenant:
                self.ran_at.append(tx.now())
                tx.add(Customer(name="by the clock"))

        self.job = Job(f"test-{id(self)}", work, mark_of(mark(lambda _tx: None)))  # pyright: ignore[reportArgumentType]
        self.scheduler = Scheduler(database, [self.job])

    async def look(self, lease: Lease, after: timedelta = timedelta()) -> int:
        self.clock.at += after
        (now,) = await lease.fetch("select epoch from kit.consumer_lease where consumer = 'crm'")
        lease.epoch = now["epoch"]  # the running process may take the lease anew at any moment
        await self.scheduler.run_due(lease, self.job)
        return len(self.ran_at)


@pytest.fixture
async def lease(crm: RunningModule) -> Any:
    """A second lease would wait for the module's own: this one only reads its epoch."""
    import asyncpg

    await crm.new_tenant()  # it has begun for good: one that NATS was too busy for begins once more, with another epoch
    connection = await asyncpg.connect(crm.urls.relay_url)
    epoch = await connection.fetchval("select epoch from kit.consumer_lease where consumer = 'crm'")
    yield Lease(connection, "crm", epoch)
    await connection.close()


async def test_work_runs_when_it_is_due_and_not_before(crm: RunningModule, lease: Lease) -> None:
    scheduled = Scheduled(crm, every("1h"))
    scheduled.tenant = (await crm.new_tenant()).tenant

    assert await scheduled.look(lease) == 1
    assert await scheduled.look(lease) == 1
    assert await scheduled.look(lease, timedelta(minutes=59)) == 1
    assert await scheduled.look(lease, timedelta(minutes=1)) == 2


async def test_after_an_outage_it_runs_once_or_for_each_due_time_as_declared(crm: RunningModule, lease: Lease) -> None:
    once, each = Scheduled(crm, every("1h")), Scheduled(crm, every("1h", each_missed=True))
    once.tenant = each.tenant = (await crm.new_tenant()).tenant
    await once.look(lease)
    await each.look(lease)

    await once.look(lease, timedelta(hours=3, minutes=5))
    await each.look(lease, timedelta(hours=3, minutes=5))
    for _ in range(5):
        await once.look(lease)
        await each.look(lease)

    assert len(once.ran_at) == 2
    assert len(each.ran_at) == 4


@pytest.mark.parametrize("mark", [every("1h"), every("1h", each_missed=True), cron("30 * * * *")])
async def test_after_the_clock_was_ahead_work_rests_no_longer_than_to_its_next_time(
    crm: RunningModule, lease: Lease, mark: Any
) -> None:
    """It rested until the real time had caught up: an hour's work for ten days"""
    scheduled, ahead = Scheduled(crm, mark), timedelta(days=1)
    scheduled.tenant = (await crm.new_tenant()).tenant
    await scheduled.look(lease)
    await scheduled.look(lease, ahead)
    ran = len(scheduled.ran_at)

    await scheduled.look(lease, -ahead)
    await scheduled.look(lease, timedelta(hours=1))

    assert len(scheduled.ran_at) > ran
    assert scheduled.scheduler.next_due is not None
    assert scheduled.scheduler.next_due <= scheduled.clock.at + timedelta(hours=1)


async def test_a_process_whose_clock_is_a_little_behind_repeats_nothing(crm: RunningModule, lease: Lease) -> None:
    scheduled, behind = Scheduled(crm, cron("0 * * * *")), timedelta(seconds=5)
    scheduled.tenant = (await crm.new_tenant()).tenant
    await scheduled.look(lease)
    assert await scheduled.look(lease, timedelta(hours=1)) == 1

    await scheduled.look(lease, -behind)

    assert await scheduled.look(lease, behind) == 1


async def test_work_that_failed_while_the_clock_was_ahead_is_tried_again_when_it_is_right(
    crm: RunningModule, lease: Lease
) -> None:
    scheduled, ahead = Scheduled(crm, every("1h")), timedelta(days=1)
    scheduled.tenant = (await crm.new_tenant()).tenant
    sound, scheduled.clock.at = scheduled.job.work, scheduled.clock.at + ahead

    async def failing(tx: Transaction) -> None:
        await sound(tx)
        raise ValueError("not today")

    await scheduled.scheduler.run_due(lease, Job(scheduled.job.name, failing, scheduled.job.mark))

    assert await scheduled.look(lease, -ahead) == 2


async def test_a_tenant_whose_time_zone_is_none_holds_up_nobody(crm: RunningModule, lease: Lease) -> None:
    """Every module with scheduled work ended, was started again, and was parked: in all companies"""
    scheduled = Scheduled(crm, cron("0 * * * *"))
    scheduled.tenant = (await crm.new_tenant(time_zone="Asia/Peking")).tenant
    await scheduled.look(lease)

    assert await scheduled.look(lease, timedelta(hours=1)) == 1


async def test_work_that_fails_is_rolled_back_and_stays_due(crm: RunningModule, lease: Lease) -> None:
    scheduled = Scheduled(crm, every("1h"))
    tenant = scheduled.tenant = (await crm.new_tenant()).tenant
    sound = scheduled.job.work

    async def failing(tx: Transaction) -> None:
        await sound(tx)
        raise ValueError("not today")

    broken = Job(scheduled.job.name, failing, scheduled.job.mark)
    await scheduled.scheduler.run_due(lease, broken)
    assert tenant
    assert await crm.rows(tenant, "select 1 from customer") == []

    await scheduled.look(lease, timedelta(seconds=1))

    assert len(await crm.rows(tenant, "select 1 from customer")) == 1


async def test_work_that_goes_on_failing_is_tried_ever_more_seldom_and_keeps_its_process_awake(
    crm: RunningModule, lease: Lease
) -> None:
    """It ran each second in each tenant, and its module could fall asleep until the next due time"""
    scheduled = Scheduled(crm, every("30d"))
    scheduled.tenant = (await crm.new_tenant()).tenant
    tried_at: list[timedelta] = []
    began = scheduled.clock.at

    async def failing(tx: Transaction) -> None:
        if tx.tenant_id == scheduled.tenant:
            tried_at.append(tx.now() - began)
            raise ValueError("not today")

    broken = Job(scheduled.job.name, failing, scheduled.job.mark)
    scheduler = Scheduler(scheduled.database, [broken])
    for _ in range(1000):
        await scheduler.run_due(lease, broken)
        assert scheduler.next_due is not None
        scheduled.clock.at = scheduler.next_due
        if len(tried_at) == 12:
            break

    pauses = [int((later - before).total_seconds()) for before, later in pairwise(tried_at)]
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


async def test_a_process_without_the_lease_does_nothing(crm: RunningModule, lease: Lease) -> None:
    scheduled = Scheduled(crm, every("1h"))
    scheduled.tenant = (await crm.new_tenant()).tenant
    lease.epoch -= 1

    await scheduled.scheduler.run_due(lease, scheduled.job)

    assert scheduled.ran_at == []


async def test_work_for_everywhere_is_done_in_suspended_tenants_and_for_no_tenant_too(
    crm: RunningModule, lease: Lease
) -> None:
    """AUD-2: the chains of closed companies are sealed, and the one of what no company is known of"""
    usual, everywhere = Scheduled(crm, every("1h")), Scheduled(crm, every("1h", everywhere=True))
    usual.tenant = everywhere.tenant = (await crm.new_tenant()).tenant
    await lease.execute("update kit.tenant set state = 'SUSPENDED' where tenant_id = $1", usual.tenant)

    assert (await usual.look(lease), await everywhere.look(lease)) == (0, 1)
    usual.tenant = everywhere.tenant = PLATFORM
    assert (await usual.look(lease), await everywhere.look(lease, timedelta(hours=1))) == (0, 2)


async def test_work_of_the_platform_is_done_for_no_tenant_alone(crm: RunningModule, lease: Lease) -> None:
    platform = Scheduled(crm, every("1h", platform=True))
    platform.tenant = (await crm.new_tenant()).tenant

    assert await platform.look(lease) == 0
    platform.tenant = PLATFORM
    assert await platform.look(lease, timedelta(hours=1)) == 1


async def test_work_of_a_role_runs_on_that_roles_connections(crm: RunningModule, lease: Lease) -> None:
    """AUD-1: only the purge has the purge's rights"""
    scheduled = Scheduled(crm, every("1h", role="other"))
    scheduled.tenant = (await crm.new_tenant()).tenant
    other = connect_app(crm.urls.app_url, "crm", pool_size=1)
    used: list[Any] = []

    async def work(tx: Transaction) -> None:
        used.append(tx.session.bind)

    job = Job(scheduled.job.name, work, scheduled.job.mark)
    await Scheduler(crm.database, [job], {"other": Database(other, "crm", scheduled.clock)}).run_due(lease, job)
    await other.dispose()

    assert used
    assert set(map(id, used)) == {id(other)}


def test_cron_times_are_the_tenants_own_also_when_clocks_change() -> None:
    mark: Any = mark_of(cron("5 0 * * *")(lambda _tx: None))
    berlin = ZoneInfo("Europe/Berlin")

    before = mark.due_after(datetime(2026, 10, 24, 12, tzinfo=UTC), berlin)
    after = mark.due_after(before, berlin)

    assert before == datetime(2026, 10, 24, 22, 5, tzinfo=UTC)
    assert after == datetime(2026, 10, 25, 23, 5, tzinfo=UTC)


@pytest.mark.parametrize("interval", ["", "h", "1", "1w", "-1h"])
def test_a_wrong_interval_is_refused_where_it_is_written(interval: str) -> None:
    with pytest.raises(Defect, match="no interval"):
        every(interval)
