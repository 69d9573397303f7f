"""Where projects are opened, tasks moved, time logged and batches made: what commands and handlers share."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, update

from shared.database.transaction import Transaction
from subgraphs.projects.models import people
from subgraphs.projects.models.projects import (
    Project,
    ProjectBilling,
    ProjectMember,
    ProjectSettings,
    ProjectStatus,
    ProjectTemplate,
)
from subgraphs.projects.models.refusals import (
    DependencyOpen,
    NothingToBill,
    OpenTasks,
    TimePending,
    WeekLocked,
    WipLimit,
)
from subgraphs.projects.models.tasks import (
    ProjectMilestone,
    ProjectTask,
    ProjectTaskStatus,
    TaskDependency,
    roll_up,
)
from subgraphs.projects.models.time import (
    BillableBatch,
    BilledSource,
    ProjectRate,
    TimeEntry,
    TimeEntryStatus,
    bill,
    milestone_line,
    rate_for,
    week_of,
)

MAX_TASKS = 5000
_MAX_LINES = 500  # an event holds 256 KiB
_ONE_DAY_AT_A_TIME = text("select pg_advisory_xact_lock(hashtext(:tenant), hashtext(:key))")
_UNFINISHED = (TimeEntryStatus.DRAFT, TimeEntryStatus.SUBMITTED, TimeEntryStatus.REJECTED)
COUNTED = (TimeEntryStatus.APPROVED, TimeEntryStatus.BILLED)


async def next_code(tx: Transaction) -> str:
    """Return the next project code of the tenant."""
    return (await tx.ensure(ProjectSettings(), "name")).next_code()


async def open_project(
    tx: Transaction, project: Project, template: ProjectTemplate | None, members: Iterable[tuple[UUID, str | None]] = ()
) -> Project:
    """Open a project by a template: its tasks and milestones, due as many days after the start as the template says.

    `members` are employee ids with roles; its manager is one, too.
    """
    if project.customer_id is not None:
        customer = await people.customer(tx, project.customer_id)
        project.customer_id, project.customer_name = customer.customer_id, customer.name or project.customer_name
    tx.add(project)
    team = {employee_id: role for employee_id, role in members}
    if project.manager_id is not None:
        team.setdefault(project.manager_id, None)
    for employee_id, role in team.items():
        tx.add(ProjectMember(project_id=project.id, employee_id=employee_id, role=role))
    if template is not None:
        _plan(tx, project, template)
    tx.publish(project.created(tuple(team)))
    return project


def _plan(tx: Transaction, project: Project, template: ProjectTemplate) -> None:
    def due(offset_days: int | None) -> date | None:
        known = offset_days is not None and project.starts_on is not None
        return project.starts_on + timedelta(days=offset_days) if known else None  # pyright: ignore[reportOptionalOperand, reportArgumentType]

    for task in template.tasks:
        tx.add(
            ProjectTask(
                title=task.title,
                project_id=project.id,
                due_on=due(task.offset_days),
                estimate_hours=task.estimate_hours,
            )
        )
    for milestone in template.milestones:
        pays = project.contract_value and milestone.bill_pct
        tx.add(
            ProjectMilestone(
                title=milestone.title,
                project_id=project.id,
                due_on=due(milestone.offset_days),
                bill_amount=project.contract_value.percent(milestone.bill_pct) if pays else None,  # pyright: ignore[reportOptionalMemberAccess, reportArgumentType]
            )
        )


async def touch(tx: Transaction, project_id: UUID) -> None:
    """Note that something happened on a project; its version stays, so that editors don't collide with time."""
    at = tx.now()
    await tx.session.execute(update(Project).where(Project.id == project_id).values(last_activity_at=at))


async def tasks_of(tx: Transaction, project_id: UUID, *, lock: bool = False) -> Sequence[ProjectTask]:
    """Return a project's tasks, oldest first; at most 5,000."""
    statement = select(ProjectTask).where(ProjectTask.project_id == project_id).order_by(ProjectTask.id)
    return await tx.all((statement.with_for_update() if lock else statement).limit(MAX_TASKS))


async def take_task(tx: Transaction, task_id: UUID) -> tuple[Project, ProjectTask, Sequence[ProjectTask]]:
    """Return a task with its project and all tasks of it, locked in the order in which everyone locks them.

    Raises NotFound, ProjectIsClosed.
    """
    project_id = await tx.session.scalar(select(ProjectTask.project_id).where(ProjectTask.id == task_id))
    project = await tx.first_where(Project, Project.id == project_id, lock=True)
    task = await tx.get(ProjectTask, task_id)
    assert project is not None
    project.must_be_open()
    return project, task, await tasks_of(tx, project.id, lock=True)


async def move_task(
    tx: Transaction, task_id: UUID, to: ProjectTaskStatus, progress_pct: int | None = None
) -> ProjectTask:
    """Take a task one step on; parents and the project follow. Raises DependencyOpen, WipLimit, IllegalState."""
    project, task, tasks = await take_task(tx, task_id)
    if to is ProjectTaskStatus.IN_PROGRESS and task.status is ProjectTaskStatus.TODO:
        await _may_begin(tx, task, tasks)
    if to is ProjectTaskStatus.IN_PROGRESS and project.wip_limit is not None:
        running = sum(one.status is ProjectTaskStatus.IN_PROGRESS for one in tasks)
        if running >= project.wip_limit:
            raise WipLimit(project.wip_limit)
    fact = task.move(to, tx.now(), _children(task, tasks))
    if progress_pct is not None and task.is_open:
        task.progress_pct = progress_pct
    if fact:
        tx.publish(fact)
    await follow(tx, project, tasks)
    return task


async def complete_task(tx: Transaction, task_id: UUID) -> ProjectTask:
    """Finish a task, from any state in which nothing blocks it. Raises DependencyOpen, IllegalState."""
    project, task, tasks = await take_task(tx, task_id)
    if task.status is ProjectTaskStatus.TODO:
        await _may_begin(tx, task, tasks)
    tx.publish(task.finish(tx.now(), _children(task, tasks)))
    await follow(tx, project, tasks)
    return task


def _children(task: ProjectTask, tasks: Sequence[ProjectTask]) -> list[ProjectTask]:
    return [one for one in tasks if one.parent_task_id == task.id]


async def _may_begin(tx: Transaction, task: ProjectTask, tasks: Sequence[ProjectTask]) -> None:
    by_id = {one.id: one for one in tasks}
    waits = await tx.all(select(TaskDependency).where(TaskDependency.task_id == task.id))
    unmet = [by_id[one.predecessor_id].title for one in waits if not one.is_met(by_id[one.predecessor_id], tx.now())]
    if unmet:
        raise DependencyOpen(task.title, unmet)


async def follow(tx: Transaction, project: Project, tasks: Sequence[ProjectTask]) -> None:
    """Let parents and the project follow their tasks (PRJ-2): progress, state, last activity."""
    roll_up(tasks)
    if any(one.status is not ProjectTaskStatus.TODO for one in tasks) and project.status is ProjectStatus.PLANNED:
        project.start()
    await touch(tx, project.id)


async def complete_project(tx: Transaction, project: Project, on: date, *, force: bool) -> None:
    """Complete a project; `force` cancels the tasks that are open (PRJ-9).

    Raises OpenTasks, TimePending, IllegalState, ProjectIsClosed, and leaves everything as it was then.
    """
    project.must_be_open()
    left = [task for task in await tasks_of(tx, project.id, lock=True) if task.is_open]
    if left and not force:
        raise OpenTasks(len(left))
    own = TimeEntry.project_id == project.id
    if await tx.first_where(TimeEntry, own, TimeEntry.status == TimeEntryStatus.SUBMITTED):
        raise TimePending
    tx.publish(project.complete(on, await hours_of(tx, own, TimeEntry.status.in_(COUNTED))))
    for task in left:
        task.cancel()


async def hours_of(tx: Transaction, *conditions: ColumnElement[bool]) -> Decimal:
    """Return the sum of the hours of entries that meet the conditions."""
    total = select(func.coalesce(func.sum(TimeEntry.hours), 0)).where(*conditions)
    return Decimal((await tx.session.execute(total)).scalar_one())


async def check_time(tx: Transaction, entry: TimeEntry, corrected: TimeEntry | None) -> None:
    """Check an entry against its day and week (PRJ-3, PRJ-4). Raises DayFull, WeekLocked, Invalid, IllegalState."""
    key = f"time_entry/{entry.employee_id}/{entry.worked_on}"
    await tx.session.execute(_ONE_DAY_AT_A_TIME, {"tenant": str(tx.tenant_id), "key": key})
    theirs = (TimeEntry.employee_id == entry.employee_id, TimeEntry.id != entry.id)
    same_day = (TimeEntry.worked_on == entry.worked_on, TimeEntry.status != TimeEntryStatus.REJECTED)
    others = await hours_of(tx, *theirs, *same_day)
    in_quarters = await tx.first_where(ProjectSettings, ProjectSettings.quarter_hours)
    entry.check(others, corrected, quarter_hours=in_quarters is not None)
    if corrected is None and await is_locked(tx, entry.employee_id, week_of(entry.worked_on), entry.id):
        raise WeekLocked(week_of(entry.worked_on))


async def is_locked(tx: Transaction, employee_id: UUID | None, week: date, but: UUID) -> bool:
    """Tell whether a week is approved as a whole: something is, and nothing is left to submit, approve or redo."""
    in_week = (
        TimeEntry.employee_id == employee_id,
        TimeEntry.worked_on >= week,
        TimeEntry.worked_on < week + timedelta(days=7),
        TimeEntry.corrects_id.is_(None),
        TimeEntry.id != but,
    )
    counts = select(
        func.count(TimeEntry.id).filter(TimeEntry.status.in_(COUNTED)),
        func.count(TimeEntry.id).filter(TimeEntry.status.in_(_UNFINISHED)),
    ).where(*in_week)
    approved, unfinished = (await tx.session.execute(counts)).one()
    return approved > 0 and unfinished == 0


async def approve(tx: Transaction, entry: TimeEntry, by: UUID | None) -> None:
    """Approve an entry with the rate that holds for it. Raises RateMissing, IllegalState (PRJ-5)."""
    project = await tx.first_where(Project, Project.id == entry.project_id)
    task = await tx.first_where(ProjectTask, ProjectTask.id == entry.project_task_id)
    assert project is not None
    rates = await tx.all(
        select(ProjectRate).where(ProjectRate.project_id.is_(None) | (ProjectRate.project_id == project.id)).limit(2000)
    )
    member = await tx.first_where(
        ProjectMember, ProjectMember.project_id == project.id, ProjectMember.employee_id == entry.employee_id
    )
    rate = rate_for(entry, project, task.hourly_rate if task else None, member.role if member else None, rates)
    tx.publish(entry.approve(by, rate if entry.billable else None))


async def prepare_batch(tx: Transaction, project: Project, up_to: date) -> BillableBatch:
    """Make a batch of what waits to be billed up to a day (PRJ-6, PRJ-7). Raises NothingToBill."""
    entries = await _waiting_time(tx, project, up_to) if project.billing is ProjectBilling.TIME_MATERIAL else []
    pays_milestones = project.billing in (ProjectBilling.FIXED_PRICE, ProjectBilling.MILESTONE)
    milestones = await _waiting_milestones(tx, project, up_to) if pays_milestones else []
    lines = [*(entry.line() for entry in entries), *(milestone_line(milestone) for milestone in milestones)]
    if not lines:
        raise NothingToBill(project.code)
    project.batches_made += 1
    batch = tx.add(bill(project, lines, project.batches_made))
    taken = {line.source_key for line in batch.lines}
    for source in taken:
        tx.add(BilledSource(source_key=source, batch_id=batch.id))
    for entry in entries:
        if f"time:{entry.id}" in taken:
            entry.batch_id = batch.id
    for milestone in milestones:
        if f"milestone:{milestone.id}" in taken:
            milestone.batch_id = batch.id
    customer = await people.customer(tx, project.customer_id) if project.customer_id else None
    tx.publish(batch.ready(project, (customer.name if customer else None) or project.customer_name))
    return batch


async def _waiting_time(tx: Transaction, project: Project, up_to: date) -> Sequence[TimeEntry]:
    waiting = (
        select(TimeEntry)
        .where(
            TimeEntry.project_id == project.id,
            TimeEntry.status == TimeEntryStatus.APPROVED,
            TimeEntry.billable,
            TimeEntry.batch_id.is_(None),
            TimeEntry.worked_on <= up_to,
        )
        .order_by(TimeEntry.worked_on, TimeEntry.id)
        .limit(_MAX_LINES)
        .with_for_update()
    )
    return await tx.all(waiting)


async def _waiting_milestones(tx: Transaction, project: Project, up_to: date) -> Sequence[ProjectMilestone]:
    waiting = (
        select(ProjectMilestone)
        .where(
            ProjectMilestone.project_id == project.id,
            ProjectMilestone.reached_on <= up_to,
            ~ProjectMilestone.billed,
            ProjectMilestone.batch_id.is_(None),
            ProjectMilestone.__table__.c.bill_amount_amount.is_not(None),
        )
        .order_by(ProjectMilestone.reached_on, ProjectMilestone.id)
        .limit(_MAX_LINES)
        .with_for_update()
    )
    return await tx.all(waiting)


async def batch_of(tx: Transaction, source_key: str | None) -> BillableBatch | None:
    """Return the batch that an invoice's source key names, None where it names none of ours."""
    kind, _, text_id = (source_key or "").partition(":")
    if kind != "batch":
        return None
    try:
        batch_id = UUID(text_id)
    except ValueError:
        return None
    return await tx.first_where(BillableBatch, BillableBatch.id == batch_id, lock=True)


async def contents_of(tx: Transaction, batch: BillableBatch) -> tuple[Sequence[TimeEntry], Sequence[ProjectMilestone]]:
    """Return the time and the milestones of a batch, locked."""
    entries = select(TimeEntry).where(TimeEntry.batch_id == batch.id).order_by(TimeEntry.id).with_for_update()
    milestones = select(ProjectMilestone).where(ProjectMilestone.batch_id == batch.id).with_for_update()
    return await tx.all(entries), await tx.all(milestones)


async def cancel_batch(tx: Transaction, batch: BillableBatch) -> None:
    """Cancel a batch: its time and milestones wait for the next one (PRJ-6)."""
    batch.cancel(*await contents_of(tx, batch))
    for source in await tx.all(select(BilledSource).where(BilledSource.batch_id == batch.id)):
        await tx.session.delete(source)
