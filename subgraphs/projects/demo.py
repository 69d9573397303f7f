"""Projects' demo data: templates, projects in every state, tasks, time on its way to the invoice (demo.md)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from shared.database.transaction import Transaction
from shared.demo import Demo, plants
from shared.values import Money
from subgraphs.projects.graph import hours, plans
from subgraphs.projects.models import (
    MilestoneTemplate,
    Project,
    ProjectBilling,
    ProjectStatus,
    ProjectTaskStatus,
    TaskTemplate,
    TimeEntry,
    TimeEntryStatus,
)
from subgraphs.projects.models.time import week_of

_FULL = {"lumen": 14, "harbour": 6}
_NAMES = ("Website 网站", "Brand refresh 品牌焕新", "Spring campaign 春季活动", "Packaging 包装", "Shop signs 门店招牌")
_TASKS = ("Kick-off 启动会", "Sketches 草图", "Design 设计", "Build 制作", "Hand-over 交付")
_NOTES = ("Layout 排版", "Client call 客户会议", "Corrections 修改", "Research 调研")
_BILLINGS = (
    ProjectBilling.TIME_MATERIAL,
    ProjectBilling.FIXED_PRICE,
    ProjectBilling.MILESTONE,
    ProjectBilling.NON_BILLABLE,
)
_ACTIVE_FIRST = (
    ProjectStatus.ACTIVE,
    ProjectStatus.PLANNED,
    ProjectStatus.ON_HOLD,
    ProjectStatus.COMPLETED,
    ProjectStatus.CANCELLED,
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """One project of the demo."""

    label: str
    customer: str
    status: ProjectStatus
    number: int
    starts_days_ago: int


@plants(order=50)
async def plant(demo: Demo) -> None:
    """Plant a template, the four projects of ACME and those of other customers."""
    await demo.call(
        plans.define_project_template,
        "website",
        demo.day(300),
        name="website",
        billing=ProjectBilling.MILESTONE,
        tasks=tuple(TaskTemplate(title=title, offset_days=10 * step) for step, title in enumerate(_TASKS)),
        milestones=(MilestoneTemplate(title="Launch 上线", bill_pct=Decimal(100), offset_days=60),),
    )
    currency = await demo.base_currency()
    for plan in sorted(_plans(demo), key=lambda one: -one.starts_days_ago):
        await _project(demo, plan, currency)


def _plans(demo: Demo) -> Iterator[_Plan]:
    for number in range(4):
        yield _Plan(f"acme-{number + 1}", "acme", _ACTIVE_FIRST[0 if number < 3 else 3], number, 90 - 20 * number)
    for number in range(demo.count(_FULL.get(demo.slug, 14), least=len(_ACTIVE_FIRST))):
        draw = demo.random("project", number)
        status = _ACTIVE_FIRST[number % len(_ACTIVE_FIRST)]
        yield _Plan(f"project-{number + 1}", f"customer-{draw.randint(1, 5)}", status, number, draw.randint(30, 150))


async def _project(demo: Demo, plan: _Plan, currency: str) -> None:
    """Open a project, work on it for three weeks, and bring it to its state."""
    draw = demo.random(plan.label)
    start = demo.day(plan.starts_days_ago)
    project = await demo.call(
        plans.open_project,
        plan.label,
        start,
        name=_NAMES[plan.number % len(_NAMES)],
        billing=_BILLINGS[plan.number % len(_BILLINGS)],
        customer_id=demo.id("crm", plan.customer, "Customer"),
        starts_on=start.date() if plan.status is not ProjectStatus.PLANNED else demo.as_of + timedelta(days=14),
        due_on=demo.as_of + timedelta(days=draw.randint(-10, 60)),
        budget_hours=Decimal(draw.randint(60, 200)),
        contract_value=Money(Decimal(draw.randint(8, 60) * 1000), currency),
        hourly_rate=Money(Decimal(draw.randint(5, 9) * 100), currency),
    )
    task_ids = [await _task(demo, plan, project, step, title) for step, title in enumerate(_TASKS)]
    await _milestone(demo, plan, project)
    if plan.status is ProjectStatus.PLANNED:
        return
    for step in range(2 if plan.number % 2 else 1):
        await demo.call(
            plans.complete_task,
            f"{plan.label}-done-{step}",
            start + timedelta(days=6 + step),
            finds=task_ids[step],
            task_id=task_ids[step],
        )
    moved = {"finds": task_ids[3], "task_id": task_ids[3], "status": ProjectTaskStatus.IN_PROGRESS, "progress_pct": 40}
    await demo.call(plans.move_task, f"{plan.label}-moved", start + timedelta(days=8), **moved)
    await _work(demo, plan, project, task_ids)
    await _finish(demo, plan, project)


async def _task(demo: Demo, plan: _Plan, project: Project, step: int, title: str) -> UUID:
    task = await demo.call(
        plans.add_task,
        f"{plan.label}-task-{step}",
        demo.day(plan.starts_days_ago),
        project_id=project.id,
        title=title,
        estimate_hours=Decimal(8 * (step + 1)),
        due_on=demo.day(plan.starts_days_ago - 12 * (step + 1)).date(),
        assignee_id=demo.id("hr", "salesperson", "Employee") if step % 2 else None,
    )
    return task.id


async def _milestone(demo: Demo, plan: _Plan, project: Project) -> None:
    milestone = await demo.call(
        plans.add_milestone,
        f"{plan.label}-milestone",
        demo.day(plan.starts_days_ago),
        project_id=project.id,
        title="Draft accepted 初稿通过",
        bill_amount=project.contract_value and project.contract_value.percent(Decimal(40)),
    )
    if plan.status is ProjectStatus.ACTIVE and plan.number % 2:
        reached = {"finds": milestone.id, "milestone_id": milestone.id}
        await demo.call(plans.reach_milestone, f"{plan.label}-reached", demo.day(2), **reached)


async def _work(demo: Demo, plan: _Plan, project: Project, task_ids: list[UUID]) -> None:
    """Log six days in three weeks; the first week is approved, the second submitted, the third a draft."""
    draw = demo.random(plan.label, "time")
    monday = week_of((demo.day(plan.starts_days_ago) + timedelta(days=7)).date())
    worker = demo.id("projects", f"worker-{plan.label}", "Employee")
    for week in range(3):
        for day in (0, 2):
            worked_on = monday + timedelta(days=7 * week + day)
            await demo.call(
                hours.log_time,
                f"{plan.label}-time-{week}-{day}",
                demo.day((demo.as_of - worked_on).days),
                project_id=project.id,
                task_id=task_ids[2 + day // 2],
                worked_on=worked_on,
                hours=Decimal(draw.randint(2, 14)) / 2,
                note=draw.choice(_NOTES),
                employee_id=worker,
            )
    over = plan.status in (ProjectStatus.COMPLETED, ProjectStatus.CANCELLED)
    for week in range(1 if over else 2):
        start = monday + timedelta(days=7 * week)
        at = demo.day((demo.as_of - start).days - 5)
        await demo.write(lambda tx, start=start: _submit(tx, worker, start), f"{plan.label}-submit-{week}", at)
    await demo.write(lambda tx: _approve(tx, worker, monday), f"{plan.label}-approve", demo.day(1))


async def _submit(tx: Transaction, worker: UUID, monday: Any) -> None:
    if await tx.first_where(TimeEntry, *_in_week(worker, monday), TimeEntry.status == TimeEntryStatus.DRAFT):
        await hours.submit_timesheet(tx, monday, worker)


async def _approve(tx: Transaction, worker: UUID, monday: Any) -> None:
    waiting = select(TimeEntry).where(*_in_week(worker, monday), TimeEntry.status == TimeEntryStatus.SUBMITTED)
    if ids := tuple(entry.id for entry in await tx.all(waiting)):
        await hours.approve_time(tx, ids)


def _in_week(worker: UUID, monday: Any) -> tuple[Any, ...]:
    of_week = (TimeEntry.worked_on >= monday, TimeEntry.worked_on < monday + timedelta(days=7))
    return (TimeEntry.employee_id == worker, *of_week)


async def _finish(demo: Demo, plan: _Plan, project: Project) -> None:
    this = {"finds": project.id, "project_id": project.id}
    if plan.status is ProjectStatus.ACTIVE and project.billing is ProjectBilling.TIME_MATERIAL:
        batch = {"project_id": project.id, "up_to": demo.as_of}
        await demo.call(hours.prepare_billable_batch, f"{plan.label}-batch", demo.day(1), **batch)
    elif plan.status is ProjectStatus.ON_HOLD:
        await demo.call(
            plans.hold_project, f"{plan.label}-held", demo.day(1), reason="Waiting for texts 等文案", **this
        )
    elif plan.status is ProjectStatus.COMPLETED:
        await demo.call(plans.complete_project, f"{plan.label}-completed", demo.day(1), force=True, **this)
    elif plan.status is ProjectStatus.CANCELLED:
        cancelled = {"reason": "Budget cut 预算削减", "confirmed": True, **this}
        await demo.call(plans.cancel_project, f"{plan.label}-cancelled", demo.day(1), **cancelled)
