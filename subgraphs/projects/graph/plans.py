"""Commands on projects, tasks, milestones and templates."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import select

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.errors import Invalid
from shared.values import Money
from subgraphs.projects import models
from subgraphs.projects.graph.types import ProjectMember, TaskDependency
from subgraphs.projects.models import (
    MilestoneTemplate,
    ProjectBilling,
    ProjectStatus,
    ProjectTaskPriority,
    ProjectTaskStatus,
    TaskTemplate,
    TimeEntryStatus,
    office,
    people,
)
from subgraphs.projects.models.refusals import (
    OverContractValue,
    UnbilledTime,
)
from subgraphs.projects.models.tasks import check_no_cycle

Percent = Annotated[int, Field(ge=0, le=100)]


@command("projects.project.write", queueable="1h")
async def open_project(
    tx: Transaction,
    name: str,
    billing: ProjectBilling,
    customer_id: UUID | None = None,
    template: str | None = None,
    starts_on: date | None = None,
    due_on: date | None = None,
    code: str | None = None,
    deal_id: UUID | None = None,
    manager_id: UUID | None = None,
    members: tuple[ProjectMember, ...] = (),
    budget_hours: Decimal | None = None,
    contract_value: Money | None = None,
    hourly_rate: Money | None = None,
    wip_limit: int | None = None,
) -> models.Project:
    """Open a project, planned by the template of that name; one that starts later is PLANNED until then."""
    found = await tx.first_where(models.ProjectTemplate, models.ProjectTemplate.name == template) if template else None
    if template and found is None:
        raise Invalid("There is no project template {template!r}.", "template", template=template)
    today = await tx.today()
    starts = starts_on or today
    project = models.Project(
        name=name,
        code=code or await office.next_code(tx),
        billing=billing,
        customer_id=customer_id,
        deal_id=deal_id,
        manager_id=manager_id or tx.principal.employee,
        status=ProjectStatus.ACTIVE if starts <= today else ProjectStatus.PLANNED,
        starts_on=starts,
        due_on=due_on,
        budget_hours=budget_hours,
        contract_value=contract_value,
        hourly_rate=hourly_rate,
        wip_limit=wip_limit,
        last_activity_at=tx.now(),
    )
    return await office.open_project(tx, project, found, [(one.employee_id, one.role) for one in members])


@command("projects.project.write")
async def hold_project(tx: Transaction, project_id: UUID, reason: str) -> models.Project:
    """Put a project on hold."""
    project = await tx.get(models.Project, project_id)
    project.hold(reason)
    project.last_activity_at = tx.now()
    return project


@command("projects.project.write")
async def resume_project(tx: Transaction, project_id: UUID) -> models.Project:
    """Start a planned project, or go on with one that was on hold."""
    project = await tx.get(models.Project, project_id)
    project.start()
    project.last_activity_at = tx.now()
    return project


@command("projects.project.write")
async def complete_project(tx: Transaction, project_id: UUID, force: bool = False) -> models.Project:
    """Complete a project; `force` cancels the tasks that are open (PRJ-9)."""
    project = await tx.get(models.Project, project_id)
    await office.complete_project(tx, project, await tx.today(), force=force)
    project.last_activity_at = tx.now()
    return project


@command("projects.project.write")
async def cancel_project(tx: Transaction, project_id: UUID, reason: str, confirmed: bool = False) -> models.Project:
    """Give a project up; one with approved time that nobody billed needs `confirmed`."""
    project = await tx.get(models.Project, project_id)
    entry = models.TimeEntry
    unbilled = await office.hours_of(
        tx,
        entry.project_id == project.id,
        entry.status == TimeEntryStatus.APPROVED,
        entry.billable.is_(True),
        entry.batch_id.is_(None),
    )
    if unbilled and not confirmed:
        raise UnbilledTime(unbilled.normalize())
    project.cancel(reason)
    project.last_activity_at = tx.now()
    return project


@command("projects.task.write", queueable="1h")
async def add_task(
    tx: Transaction,
    project_id: UUID,
    title: str,
    parent_task_id: UUID | None = None,
    assignee_id: UUID | None = None,
    priority: ProjectTaskPriority = ProjectTaskPriority.NORMAL,
    starts_on: date | None = None,
    due_on: date | None = None,
    estimate_hours: Decimal | None = None,
    hourly_rate: Money | None = None,
    waits_for: tuple[TaskDependency, ...] = (),
) -> models.ProjectTask:
    """Plan a task, as a part of another one or by itself (PRJ-1)."""
    project = await tx.get(models.Project, project_id)
    project.must_be_open()
    tasks = await office.tasks_of(tx, project.id, lock=True)
    for named in (*([parent_task_id] if parent_task_id else []), *(one.predecessor_id for one in waits_for)):
        if (await tx.get(models.ProjectTask, named)).project_id != project.id:
            raise Invalid("A task belongs to one project, with its parent and what it waits for.", "projectId")
    task = tx.add(
        models.ProjectTask(
            title=title,
            project_id=project.id,
            parent_task_id=parent_task_id,
            priority=priority,
            starts_on=starts_on,
            due_on=due_on,
            estimate_hours=estimate_hours,
            hourly_rate=hourly_rate,
        )
    )
    for one in waits_for:
        await _wait(tx, [*tasks, task], task, one)
    if assignee_id is not None:
        await _assign(tx, task, assignee_id)
    await office.follow(tx, project, [*tasks, task])
    return task


@command("projects.task.write")
async def link_tasks(tx: Transaction, task_id: UUID, dependency: TaskDependency) -> models.ProjectTask:
    """Let a task wait for another one of its project (PRJ-1)."""
    _, task, tasks = await office.take_task(tx, task_id)
    await _wait(tx, tasks, task, dependency)
    return task


async def _wait(
    tx: Transaction, tasks: Sequence[models.ProjectTask], task: models.ProjectTask, wanted: TaskDependency
) -> None:
    predecessor = await tx.get(models.ProjectTask, wanted.predecessor_id)
    row = models.TaskDependency
    waits: dict[UUID, list[UUID]] = {}
    for known in await tx.all(select(row).where(row.task_id.in_([one.id for one in tasks]))):
        waits.setdefault(known.task_id, []).append(known.predecessor_id)
    for one in tasks:
        if one.parent_task_id is not None:
            waits.setdefault(one.parent_task_id, []).append(one.id)
    check_no_cycle(task, predecessor, waits)
    tx.add(row(task_id=task.id, predecessor_id=predecessor.id, kind=wanted.kind, lag_days=wanted.lag_days))


@command("projects.task.write", queueable="1h")
async def assign_task(tx: Transaction, task_id: UUID, employee_id: UUID) -> models.ProjectTask:
    """Give a task to a person."""
    _, task, _ = await office.take_task(tx, task_id)
    await _assign(tx, task, employee_id)
    await office.touch(tx, task.project_id)
    return task


async def _assign(tx: Transaction, task: models.ProjectTask, employee_id: UUID) -> None:
    person = await people.employee(tx, employee_id)
    tx.publish(task.assign(employee_id, person.user_id))


@command("projects.task.write")
async def move_task(
    tx: Transaction, task_id: UUID, status: ProjectTaskStatus, progress_pct: Percent | None = None
) -> models.ProjectTask:
    """Take a task one step on: begun, blocked, in review, done, reopened, cancelled."""
    await people.note_caller(tx)
    return await office.move_task(tx, task_id, status, progress_pct)


@command("projects.task.write", queueable="1h")
async def complete_task(tx: Transaction, task_id: UUID) -> models.ProjectTask:
    """Finish a task."""
    return await office.complete_task(tx, task_id)


@command("projects.milestone.write")
async def add_milestone(
    tx: Transaction,
    project_id: UUID,
    title: str,
    due_on: date | None = None,
    bill_amount: Money | None = None,
    force: bool = False,
) -> models.ProjectMilestone:
    """Plan a milestone; together they should not pay more than the contract, unless `force` says so (PRJ-7)."""
    project = await tx.get(models.Project, project_id)
    project.must_be_open()
    if bill_amount is not None and project.contract_value is not None and not force:
        milestone = models.ProjectMilestone
        planned = await tx.all(select(milestone).where(milestone.project_id == project.id).limit(1000))
        amounts = [one.bill_amount for one in planned if one.bill_amount] + [bill_amount]
        total = Money.total(amounts, project.contract_value.currency)
        if total.amount > project.contract_value.amount:
            raise OverContractValue(total, project.contract_value)
    await office.touch(tx, project.id)
    return tx.add(models.ProjectMilestone(title=title, project_id=project.id, due_on=due_on, bill_amount=bill_amount))


@command("projects.milestone.write", queueable="1h")
async def reach_milestone(tx: Transaction, milestone_id: UUID) -> models.ProjectMilestone:
    """Note that a milestone is reached; where it is paid for, it goes into the next batch."""
    milestone = await tx.get(models.ProjectMilestone, milestone_id)
    project = await tx.follow(models.Project, milestone.project_id)
    project.must_be_open()
    tx.publish(milestone.reach(tx.now(), await tx.today(), project.customer_id))
    await office.touch(tx, project.id)
    return milestone


@command("projects.template.write")
async def define_project_template(
    tx: Transaction,
    name: str,
    billing: ProjectBilling = ProjectBilling.TIME_MATERIAL,
    tasks: tuple[TaskTemplate, ...] = (),
    milestones: tuple[MilestoneTemplate, ...] = (),
) -> models.ProjectTemplate:
    """Define what a kind of project needs, or change the template of that name; deals name it when they are won."""
    found = await tx.first_where(models.ProjectTemplate, models.ProjectTemplate.name == name, lock=True)
    template = found or tx.add(models.ProjectTemplate(name=name))
    template.billing, template.tasks, template.milestones = billing, tasks, milestones
    return template
