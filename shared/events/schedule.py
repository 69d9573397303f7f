"""Scheduled work: once for each tenant and due time, by the process that holds the lease."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from cronsim import CronSim
from sqlalchemy import text

from shared.clock import SKEW, new_id
from shared.database.transaction import Database, Transaction
from shared.errors import Defect
from shared.events.lease import Lease, LeaseLost
from shared.values import put_mark, time_zone
from shared.wire.envelope import Cause
from shared.wire.occasion import PLATFORM
from shared.wire.principal import system
from shared.wire.span import span

log = structlog.get_logger()
F = TypeVar("F", bound=Callable[..., Any])
_LOOK_S = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=5)
_NEVER = datetime.max.replace(tzinfo=UTC)
_NO_ROLES: Mapping[str, Database] = {}

_TENANTS = """
    select t.tenant_id, t.time_zone, s.done_at
    from kit.tenant t left join kit.schedule s on s.tenant_id = t.tenant_id and s.name = $1
    where (t.state = 'ACTIVE' or $2) and not $4
    union all
    select $3, 'UTC', (select done_at from kit.schedule where tenant_id = $3 and name = $1) where $2 or $4
"""
# The fence, and the row that makes two processes take turns: whoever comes second finds the work done.
_BEGIN = text("""
    insert into kit.schedule as s (tenant_id, name, done_at)
    select :tenant_id, :name, :due
    where exists (select from kit.consumer_lease where consumer = :consumer and epoch = :epoch for key share)
    on conflict (tenant_id, name) do update set done_at = excluded.done_at
    where s.done_at < excluded.done_at or s.done_at > :ahead
    returning 1
""")


@dataclass(frozen=True, slots=True)
class ScheduleMark:
    """A function `(tx) -> None` that runs in each active tenant when it is due.

    `interval` runs it that long after its last due time; `cron` at times of the tenant's own zone. After an outage
    `each_missed` runs it for every due time that passed, in order; otherwise once, for the last of them. `everywhere`:
    also in tenants that are suspended or closed, and where the rows of no tenant lie (PLATFORM); `platform`: there alone.
    `role` names the further database role that it runs as.
    """

    interval: timedelta | None
    cron: str | None
    each_missed: bool
    everywhere: bool = False
    role: str | None = None
    platform: bool = False

    def due_after(self, done_at: datetime, zone: ZoneInfo) -> datetime:
        """Return the first due time after `done_at`."""
        if self.interval is not None:
            return done_at + self.interval
        assert self.cron is not None
        return _next(self.cron, done_at, zone)

    def last_due(self, done_at: datetime, now: datetime, zone: ZoneInfo) -> datetime | None:
        """Return the due time to work for now: the first that passed, or the last where missed ones don't count."""
        due = self.due_after(done_at, zone)
        if due > now:
            return None
        if self.each_missed:
            return due
        if self.interval is not None:
            return done_at + self.interval * ((now - done_at) // self.interval)
        assert self.cron is not None
        return next(CronSim(self.cron, now.astimezone(zone) + timedelta(minutes=1), reverse=True)).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    """Return a tenant's time zone, UTC where it is none: others' work is not held up by that."""
    try:
        return time_zone(name)
    except ValueError:
        return ZoneInfo("UTC")


@lru_cache(maxsize=10_000)
def _next(expression: str, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the next time of a cron expression; it is asked for each tenant each second, mostly with the same answer."""
    return next(CronSim(expression, after.astimezone(zone))).astimezone(UTC)


def every(
    interval: str,
    *,
    each_missed: bool = False,
    everywhere: bool = False,
    role: str | None = None,
    platform: bool = False,
) -> Callable[[F], F]:
    """Mark a function as scheduled work, such as `@every("30s")` or `@every("1h")`. See ScheduleMark."""
    period = span(interval)
    if period is None:
        raise Defect(f"{interval!r} is no interval: write 30s, 5m, 1h or 1d.")
    mark = ScheduleMark(period, None, each_missed, everywhere, role, platform)
    return lambda function: put_mark(function, mark)


def cron(
    expression: str, *, each_missed: bool = False, everywhere: bool = False, role: str | None = None
) -> Callable[[F], F]:
    """Mark a function as scheduled work at times of the tenant's zone: `@cron("5 0 * * *")` is 00:05 there."""
    CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))  # a wrong expression is found when the module is read
    mark = ScheduleMark(None, expression, each_missed, everywhere, role)
    return lambda function: put_mark(function, mark)


@dataclass(frozen=True, slots=True)
class Job:
    """Scheduled work of a module; `name` is kept in its database."""

    name: str
    work: Callable[[Transaction], Awaitable[Any]]
    mark: ScheduleMark


class Scheduler:
    """One module's scheduled work."""

    def __init__(self, database: Database, jobs: Sequence[Job], roles: Mapping[str, Database] = _NO_ROLES) -> None:
        """Run `jobs` on `database`; `roles` is the same one as further roles see it, by the names that jobs call them."""
        self._database = database
        self._jobs = jobs
        self._roles = roles
        self._dues: dict[str, datetime] = {}
        self._failed: dict[tuple[str, UUID], _Failed] = {}

    @property
    def next_due(self) -> datetime | None:
        """When work is due next: the process must run then. None before the first look; without tenants, far off."""
        return min(self._dues.values()) if len(self._dues) == len(self._jobs) else None

    async def run(self, lease: Lease) -> None:
        """Look once a second for what is due, until cancelled. Raises LeaseLost."""
        while True:
            started = time.monotonic()
            for job in self._jobs:
                await self.run_due(lease, job)
            await asyncio.sleep(max(0.05, _LOOK_S - (time.monotonic() - started)))

    async def run_due(self, lease: Lease, job: Job) -> None:
        """Run one job in each tenant where it is due; a tenant in which it fails doesn't hold up the others.

        There it is tried again after 1 s, 2 s, 4 s, at most every five minutes.
        """
        now = self._database.clock.now()
        next_due = _NEVER
        for row in await lease.fetch(_TENANTS, job.name, job.mark.everywhere, PLATFORM, job.mark.platform):
            done_at: datetime | None = row["done_at"]
            is_new = False
            if done_at is None or done_at > now + SKEW:
                # A new tenant, a new job, or the clock was ahead when it was done: it is counted from now on.
                is_new, done_at = True, now - (job.mark.interval or timedelta())
            zone = _zone(row["time_zone"])
            due = job.mark.last_due(done_at, now, zone)
            failed = self._failed.get((job.name, row["tenant_id"]))
            if failed is not None and due is not None and now < failed.again_at <= now + failed.pause:
                next_due = min(next_due, failed.again_at)
                continue
            if due is not None or is_new:
                with contextlib.suppress(_Done):
                    await self._run(lease, job, row["tenant_id"], due or now, is_due=due is not None)
                failed = self._failed.get((job.name, row["tenant_id"]))
            next_due = min(next_due, failed.again_at if failed else job.mark.due_after(due or done_at, zone))
        self._dues[job.name] = next_due

    async def _run(self, lease: Lease, job: Job, tenant: UUID, due: datetime, *, is_due: bool) -> None:
        principal = system(tenant)
        now = self._database.clock.now()
        cause = Cause(correlation_id=new_id(now))
        database = self._roles[job.mark.role] if job.mark.role else self._database
        try:
            async with database.transaction(principal, cause, timeout_s=60) as tx:
                begun = await tx.session.execute(
                    _BEGIN,
                    {
                        "tenant_id": tenant,
                        "name": job.name,
                        "due": due,
                        "ahead": now + SKEW,
                        "consumer": lease.consumer,
                        "epoch": lease.epoch,
                    },
                )
                if begun.first() is None:
                    self._failed.pop((job.name, tenant), None)
                    raise _Done
                if is_due:
                    await job.work(tx)
            self._failed.pop((job.name, tenant), None)
        except (_Done, LeaseLost):
            raise
        except Exception as error:
            before = self._failed.get((job.name, tenant))
            pause = min(before.pause * 2, _LONGEST_PAUSE) if before else _FIRST_PAUSE
            self._failed[job.name, tenant] = _Failed(self._database.clock.now() + pause, pause)
            facts = {"module": lease.consumer, "tenant": str(tenant), "job": job.name}
            log.error("schedule_failed", **facts, exc_info=error)


@dataclass(frozen=True, slots=True)
class _Failed:
    """When work that failed is tried again, and after which pause."""

    again_at: datetime
    pause: timedelta


class _Done(Exception):
    """Another process did this work, or holds the lease now."""
