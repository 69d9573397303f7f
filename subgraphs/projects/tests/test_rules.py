"""Rules that need no database: rates, progress, circles, batches, risk."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from shared.clock import SystemClock, new_id
from shared.errors import IllegalState
from shared.values import Money
from subgraphs.projects.events import BillableLine
from subgraphs.projects.models import (
    DependencyKind,
    Project,
    ProjectBilling,
    ProjectRate,
    ProjectStatus,
    ProjectTask,
    ProjectTaskStatus,
    TaskDependency,
    TimeEntry,
)
from subgraphs.projects.models.refusals import TaskCycle
from subgraphs.projects.models.tasks import check_no_cycle, progress_of, roll_up
from subgraphs.projects.models.time import bill, rate_for, week_of

NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
DAY = date(2026, 6, 3)


def some_id() -> UUID:
    return new_id(SystemClock().now())


def cny(amount: int | str) -> Money:
    return Money(Decimal(amount), "CNY")


def project(**more: object) -> Project:
    given = {"name": "P", "code": "P-1", "billing": ProjectBilling.TIME_MATERIAL, "last_activity_at": NOW, **more}
    made = Project(**given)
    made.id = some_id()
    return made


def task(of: Project, title: str = "T", **more: object) -> ProjectTask:
    made = ProjectTask(title=title, project_id=of.id, **more)  # pyright: ignore[reportArgumentType]
    made.id = some_id()
    return made


def test_the_nearest_rate_holds_and_each_level_falls_back_to_the_next() -> None:
    """PRJ-5"""
    person, work = some_id(), project(hourly_rate=cny(100))
    entry = TimeEntry(note="N", project_id=work.id, worked_on=DAY, hours=Decimal(1), employee_id=person)
    january = date(2026, 1, 1)
    rates = [
        ProjectRate(hourly_rate=cny(400), starts_on=january, project_id=work.id, employee_id=person),
        ProjectRate(hourly_rate=cny(300), starts_on=january, role="designer"),
        ProjectRate(hourly_rate=cny(200), starts_on=january, employee_id=person),
        ProjectRate(hourly_rate=cny(999), starts_on=january, project_id=some_id(), employee_id=person),
        ProjectRate(hourly_rate=cny(998), starts_on=date(2026, 7, 1), project_id=work.id, employee_id=person),
    ]

    assert rate_for(entry, work, cny(500), "designer", rates) == cny(500)
    assert rate_for(entry, work, None, "designer", rates) == cny(400)
    assert rate_for(entry, work, None, "designer", rates[1:]) == cny(300)
    assert rate_for(entry, work, None, None, rates[1:]) == cny(200)
    assert rate_for(entry, work, None, "cook", rates[3:]) == cny(100)
    assert rate_for(entry, project(), None, None, []) is None


def test_a_parents_progress_is_that_of_its_leaves_weighted_by_hours() -> None:
    """PRJ-2"""
    work = project()
    top = task(work, "top")
    middle = task(work, "middle", parent_task_id=top.id)
    deep = task(work, "deep", parent_task_id=middle.id, estimate_hours=Decimal(30), progress_pct=100)
    other = task(work, "other", parent_task_id=top.id, estimate_hours=Decimal(10), progress_pct=0)
    gone = task(work, "gone", parent_task_id=top.id, estimate_hours=Decimal(99), status=ProjectTaskStatus.CANCELLED)

    roll_up([top, middle, deep, other, gone])

    assert (middle.progress_pct, top.progress_pct) == (100, 75)
    assert progress_of([top, middle, deep, other, gone]) == 75


def test_a_parent_is_done_only_when_its_children_are() -> None:
    """PRJ-2"""
    work = project()
    parent = task(work, "parent", status=ProjectTaskStatus.REVIEW)
    child = task(work, "child", parent_task_id=parent.id)

    with pytest.raises(IllegalState):
        parent.move(ProjectTaskStatus.DONE, NOW, [child])
    child.finish(NOW)
    parent.move(ProjectTaskStatus.DONE, NOW, [child])
    child.move(ProjectTaskStatus.IN_PROGRESS, NOW)
    roll_up([parent, child])

    assert parent.status is ProjectTaskStatus.IN_PROGRESS


def test_tasks_never_wait_in_a_circle() -> None:
    """PRJ-1"""
    work = project()
    a, b, c = (task(work, name) for name in "abc")

    check_no_cycle(c, a, {b.id: [a.id], c.id: [b.id]})
    with pytest.raises(TaskCycle):
        check_no_cycle(a, c, {b.id: [a.id], c.id: [b.id]})
    with pytest.raises(TaskCycle):
        check_no_cycle(a, a, {})


def test_a_task_waits_for_the_end_or_the_beginning_of_another() -> None:
    before = task(project())
    finish = TaskDependency(task_id=some_id(), predecessor_id=before.id, lag_days=2)
    start = TaskDependency(task_id=some_id(), predecessor_id=before.id, kind=DependencyKind.SS)

    assert not start.is_met(before, NOW)
    before.move(ProjectTaskStatus.IN_PROGRESS, NOW)
    assert start.is_met(before, NOW)
    assert not finish.is_met(before, NOW)
    before.finish(NOW)
    assert not finish.is_met(before, NOW + timedelta(days=1))
    assert finish.is_met(before, NOW + timedelta(days=2))


@pytest.mark.parametrize("target", ["DONE", "REVIEW", "BLOCKED"])
def test_a_task_takes_one_step_at_a_time(target: str) -> None:
    with pytest.raises(IllegalState):
        task(project()).move(ProjectTaskStatus(target), NOW)


def test_a_batch_is_in_one_currency_and_adds_rounded_lines() -> None:
    """PRJ-7"""
    lines = [
        BillableLine(
            source_key=f"time:{number}",
            description="D",
            quantity=Decimal("0.25"),
            unit_price=Money(Decimal("100.02"), currency),
            amount=Money(Decimal("100.02"), currency).times(Decimal("0.25")),
            worked_on=DAY + timedelta(days=number),
        )
        for number, currency in enumerate(["CNY", "USD", "CNY"])
    ]

    batch = bill(project(), lines, 1)

    assert batch.total == cny("50.02")
    assert (batch.line_count, batch.period_start, batch.period_end) == (2, DAY, DAY + timedelta(days=2))


def test_a_project_is_at_risk_when_late_or_short_of_hours() -> None:
    running = project(status=ProjectStatus.ACTIVE, budget_hours=Decimal(100), due_on=DAY)

    assert not running.is_at_risk(DAY, Decimal(90), 50)
    assert running.is_at_risk(DAY, Decimal(91), 79)
    assert not running.is_at_risk(DAY, Decimal(91), 80)
    assert running.is_at_risk(DAY + timedelta(days=1), Decimal(0), 100)


def test_a_week_begins_on_monday() -> None:
    assert week_of(date(2026, 6, 7)) == date(2026, 6, 1)
    assert week_of(date(2026, 6, 1)) == date(2026, 6, 1)
