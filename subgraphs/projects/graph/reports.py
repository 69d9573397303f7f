"""Projects in figures: timesheet, economics, gantt, what is at risk, the card."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select

from shared.database.transaction import Transaction
from shared.database.visibility import visible
from shared.errors import Forbidden
from shared.graph.entity import card, query
from shared.values import Money, Part
from subgraphs.projects import models
from subgraphs.projects.models import ProjectStatus, TimeEntryStatus, office
from subgraphs.projects.models.tasks import progress_of
from subgraphs.projects.models.time import week_of

_RUNNING = (ProjectStatus.ACTIVE, ProjectStatus.ON_HOLD)
_MAX_RUNNING = 500


class ProjectEconomics(Part):
    """A project's hours and money; a sum is null where nothing makes it up, or two currencies would meet in it.

    `margin` is the contract's value less all approved time at its rates.
    """

    budget_hours: Decimal | None
    spent_hours: Decimal
    unbilled_hours: Decimal
    billed_hours: Decimal
    unbilled: Money | None
    billed: Money | None
    contract_value: Money | None
    margin: Money | None


class GanttRow(Part):
    """A task on the time line."""

    task_id: UUID
    title: str
    starts_on: date | None
    due_on: date | None
    progress_pct: int
    waits_for: tuple[UUID, ...]


class ProjectsDashboard(Part):
    """The portfolio at a glance."""

    active: int
    at_risk: int
    spent_hours: Decimal
    budget_hours: Decimal
    unbilled: tuple[Money, ...]


@query("projects.time_entry.read")
async def timesheet(tx: Transaction, employee_id: UUID, week_start: date) -> list[models.TimeEntry]:
    """Return the entries of one person in the week of a day, by day; at most 200."""
    scope = tx.principal.scope("projects.time_entry.read")
    if scope is None:
        raise Forbidden("projects.time_entry.read")
    week = week_of(week_start)
    entry = models.TimeEntry
    statement = (
        select(entry)
        .where(
            entry.employee_id == employee_id,
            entry.worked_on >= week,
            entry.worked_on < week + timedelta(days=7),
            *visible(entry, tx.principal, scope),
        )
        .order_by(entry.worked_on, entry.id)
        .limit(200)
    )
    return list(await tx.all(statement))


@query("projects.rate.read")
async def project_economics(tx: Transaction, id: UUID) -> ProjectEconomics | None:
    """Return a project's hours and money, null where there is no such project."""
    project = await tx.first_where(models.Project, models.Project.id == id, *tx.visible(models.Project))
    if project is None:
        return None
    entry = models.TimeEntry
    currency = entry.__table__.c.hourly_rate_currency
    value = func.sum(entry.hours * entry.__table__.c.hourly_rate_amount)
    statement = (
        select(entry.status, entry.billable, currency, func.sum(entry.hours), value)
        .where(entry.project_id == id, entry.status != TimeEntryStatus.REJECTED)
        .group_by(entry.status, entry.billable, currency)
    )
    rows = (await tx.session.execute(statement)).all()
    approved = [row for row in rows if row[0] is TimeEntryStatus.APPROVED and row[1]]
    billed = [row for row in rows if row[0] is TimeEntryStatus.BILLED]
    spent = _money([row for row in rows if row[0] in office.COUNTED])
    pays = project.contract_value
    comparable = pays is not None and spent is not None and pays.currency == spent.currency
    return ProjectEconomics(
        budget_hours=project.budget_hours,
        spent_hours=_sum(row[3] for row in rows),
        unbilled_hours=_sum(row[3] for row in approved),
        billed_hours=_sum(row[3] for row in billed),
        unbilled=_money(approved),
        billed=_money(billed),
        contract_value=pays,
        margin=pays - spent if comparable and pays and spent else None,
    )


def _sum(numbers: object) -> Decimal:
    return sum(numbers, Decimal(0))  # pyright: ignore[reportCallIssue, reportArgumentType]


def _money(rows: Sequence[object]) -> Money | None:
    amounts = [Money(row[4], row[2]) for row in rows if row[2] is not None]  # pyright: ignore[reportIndexIssue]
    if len({one.currency for one in amounts}) != 1:
        return None
    return Money.total(amounts, amounts[0].currency).rounded()


@query("projects.project_task.read")
async def gantt(tx: Transaction, project_id: UUID) -> list[GanttRow]:
    """Return a project's tasks on the time line, earliest due first; at most 5,000."""
    tasks = await office.tasks_of(tx, project_id)
    dependency = models.TaskDependency
    waits: dict[UUID, list[UUID]] = {}
    for row in await tx.all(select(dependency).where(dependency.task_id.in_([task.id for task in tasks]))):
        waits.setdefault(row.task_id, []).append(row.predecessor_id)
    return [
        GanttRow(
            task_id=task.id,
            title=task.title,
            starts_on=task.starts_on,
            due_on=task.due_on,
            progress_pct=task.progress_pct,
            waits_for=tuple(waits.get(task.id, ())),
        )
        for task in sorted(tasks, key=lambda one: (one.due_on or date.max, one.id))
    ]


@query("projects.project.read")
async def projects_at_risk(tx: Transaction) -> list[models.Project]:
    """Return the running projects that are late, or have used over 90 % of their hours for less than 80 % of the work."""
    running = await _running(tx)
    hours = await _hours_of(tx, [project.id for project in running])
    progress = await _progress_of(tx, [project.id for project in running])
    today = await tx.today()
    return [
        project
        for project in running
        if project.is_at_risk(today, hours.get(project.id, Decimal(0)), progress.get(project.id, 0))
    ]


async def _running(tx: Transaction) -> Sequence[models.Project]:
    project = models.Project
    statement = select(project).where(project.status.in_(_RUNNING)).order_by(project.due_on, project.id)
    return await tx.all(statement.limit(_MAX_RUNNING))


async def _hours_of(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Decimal]:
    entry = models.TimeEntry
    statement = (
        select(entry.project_id, func.sum(entry.hours))
        .where(entry.project_id.in_(ids), entry.status != TimeEntryStatus.REJECTED)
        .group_by(entry.project_id)
    )
    return {project_id: hours for project_id, hours in (await tx.session.execute(statement)).all()}


async def _progress_of(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, int]:
    task = models.ProjectTask
    by_project: dict[UUID, list[models.ProjectTask]] = {}
    for one in await tx.all(select(task).where(task.project_id.in_(ids)).limit(office.MAX_TASKS)):
        by_project.setdefault(one.project_id, []).append(one)
    return {project_id: progress_of(tasks) for project_id, tasks in by_project.items()}


@card("projects.project.read")
async def projects_card(tx: Transaction) -> ProjectsDashboard:
    """Projects at risk, hours against budget, approved time and reached milestones that nobody has billed."""
    running = await _running(tx)
    hours = await _hours_of(tx, [project.id for project in running])
    return ProjectsDashboard(
        active=sum(project.status is ProjectStatus.ACTIVE for project in running),
        at_risk=len(await projects_at_risk(tx)),
        spent_hours=_sum(hours.values()),
        budget_hours=_sum(project.budget_hours for project in running if project.budget_hours),
        unbilled=tuple(await _unbilled(tx)),
    )


async def _unbilled(tx: Transaction) -> list[Money]:
    """Return what waits to be billed of what the caller may read, one sum a currency."""
    entry, milestone = models.TimeEntry.__table__.c, models.ProjectMilestone.__table__.c
    time = (
        select(entry.hourly_rate_currency, func.sum(entry.hours * entry.hourly_rate_amount))
        .where(entry.status == TimeEntryStatus.APPROVED, entry.billable, entry.batch_id.is_(None))
        .where(models.TimeEntry.tenant_id == tx.tenant_id, *tx.visible(models.TimeEntry))
        .group_by(entry.hourly_rate_currency)
    )
    reached = (
        select(milestone.bill_amount_currency, func.sum(milestone.bill_amount_amount))
        .where(milestone.reached_at.is_not(None), ~milestone.billed, milestone.batch_id.is_(None))
        .where(models.ProjectMilestone.tenant_id == tx.tenant_id, *tx.visible(models.ProjectMilestone))
        .group_by(milestone.bill_amount_currency)
    )
    sums: dict[str, Decimal] = {}
    for statement in (time, reached):
        for currency, amount in (await tx.session.execute(statement)).all():
            if currency is not None:
                sums[currency] = sums.get(currency, Decimal(0)) + amount
    return [Money(amount, currency).rounded() for currency, amount in sorted(sums.items())]
