"""Commands on time, rates and batches."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.errors import Forbidden, Invalid
from shared.values import Money
from shared.wire.principal import RowScope
from subgraphs.projects import models
from subgraphs.projects.events import TimeEntrySubmitted
from subgraphs.projects.models import (
    ProjectBilling,
    ProjectStatus,
    TimeEntryStatus,
    office,
    people,
)
from subgraphs.projects.models.refusals import (
    SelfApproval,
)
from subgraphs.projects.models.time import week_of

_MAX_IDS = 200


@command("projects.time.write", queueable="1d")
async def log_time(
    tx: Transaction,
    project_id: UUID,
    worked_on: date,
    hours: Decimal,
    note: str,
    task_id: UUID | None = None,
    billable: bool | None = None,
    employee_id: UUID | None = None,
    time_entry_id: UUID | None = None,
    corrects_id: UUID | None = None,
) -> models.TimeEntry:
    """Log hours, one's own unless another person is named; nothing is billable on a NON_BILLABLE project.

    `timeEntryId` changes a draft or rejected entry instead; `correctsId` takes hours of a billed one back (PRJ-4).
    """
    project = await tx.get(models.Project, project_id)
    project.must_be_open()
    task = await tx.get(models.ProjectTask, task_id) if task_id else None
    if task and task.project_id != project.id:
        raise Invalid("The task belongs to another project.", "taskId")
    corrected = await tx.get(models.TimeEntry, corrects_id) if corrects_id else None
    pays = project.billing is not ProjectBilling.NON_BILLABLE
    values = {
        "note": note,
        "project_id": project.id,
        "project_task_id": task_id,
        "worked_on": worked_on,
        "hours": hours,
        "billable": pays if billable is None else billable and pays,
        "employee_id": await _worker(tx, corrected.employee_id if corrected else employee_id),
        "corrects_id": corrects_id,
    }
    if time_entry_id:
        entry = await tx.get(models.TimeEntry, time_entry_id)
        entry.revise()
        for field, value in values.items():
            setattr(entry, field, value)
    else:
        entry = tx.add(models.TimeEntry(**values))
    await office.check_time(tx, entry, corrected)
    if project.status is ProjectStatus.PLANNED:
        project.start()
    await office.touch(tx, project.id)
    return entry


async def _worker(tx: Transaction, employee_id: UUID | None, permission: str = "projects.time.write") -> UUID:
    """Return whose time it is: the caller's, or another person's where the caller may (members: OWN time only)."""
    me = await people.note_caller(tx)
    wanted = employee_id or me
    if wanted is None:
        raise Invalid("Say whose time it is.", "employeeId")
    scope = tx.principal.scope(permission)
    reach = {me, tx.principal.user} | (set(tx.principal.team) if scope is RowScope.TEAM else set())
    if scope is not RowScope.TENANT and wanted not in reach:
        raise Forbidden(permission)
    return wanted


@command("projects.time.write", queueable="1d")
async def submit_timesheet(
    tx: Transaction, week_start: date, employee_id: UUID | None = None
) -> list[models.TimeEntry]:
    """Hand the drafts of a week in for approval."""
    week = week_of(week_start)
    worker = await _worker(tx, employee_id)
    entry = models.TimeEntry
    entries = await tx.all(
        select(entry)
        .where(
            entry.employee_id == worker,
            entry.status == TimeEntryStatus.DRAFT,
            entry.worked_on >= week,
            entry.worked_on < week + 7 * date.resolution,
        )
        .order_by(entry.worked_on, entry.id)
        .with_for_update()
    )
    if not entries:
        raise Invalid("No draft is left in the week of {week}.", "weekStart", week=week)
    for one in entries:
        one.submit()
    person = await people.employee(tx, worker)
    fact = TimeEntrySubmitted(
        employee_id=worker,
        week_start=week,
        entry_count=len(entries),
        hours=sum((one.hours for one in entries), Decimal(0)),
        approver_employee_id=person.manager_id,
    )
    tx.publish(fact)
    return list(entries)


@command("projects.time.approve")
async def approve_time(tx: Transaction, ids: tuple[UUID, ...]) -> list[models.TimeEntry]:
    """Approve submitted time, not one's own (PRJ-8); each entry gets the rate that holds for it (PRJ-5)."""
    me = await people.note_caller(tx)
    mine = {me, tx.principal.user} - {None}
    entries = await _entries(tx, ids)
    if any(entry.employee_id in mine for entry in entries) and not await people.works_alone(tx):
        raise SelfApproval
    for entry in entries:
        await office.approve(tx, entry, tx.principal.user)
    for project_id in {entry.project_id for entry in entries}:
        await office.touch(tx, project_id)
    return entries


@command("projects.time.approve")
async def reject_time(tx: Transaction, ids: tuple[UUID, ...], reason: str) -> list[models.TimeEntry]:
    """Give time back to who logged it, with a reason; approved time, too, until it is billed (PRJ-4)."""
    entries = await _entries(tx, ids)
    for entry in entries:
        entry.reject(reason)
    return entries


async def _entries(tx: Transaction, ids: tuple[UUID, ...]) -> list[models.TimeEntry]:
    if not 0 < len(ids) <= _MAX_IDS:
        raise Invalid("Name 1 to {max_ids} entries.", "ids", max_ids=_MAX_IDS)
    return [await tx.get(models.TimeEntry, one) for one in sorted(set(ids))]


@command("projects.batch.prepare")
async def prepare_billable_batch(tx: Transaction, project_id: UUID, up_to: date) -> models.BillableBatch:
    """Make a batch of what waits to be billed up to a day; invoicing drafts the invoice when it hears of it."""
    project = await tx.get(models.Project, project_id)
    batch = await office.prepare_batch(tx, project, up_to)
    project.last_activity_at = tx.now()
    return batch


@command("projects.rate.write")
async def define_project_rate(
    tx: Transaction,
    hourly_rate: Money,
    from_: date | None = None,
    project_id: UUID | None = None,
    employee_id: UUID | None = None,
    role: str | None = None,
) -> models.ProjectRate:
    """Set what an hour of a person or a role costs from a day on, on one project or on all (PRJ-5)."""
    if (employee_id is None) == (role is None):
        raise Invalid("A rate is a person's or a role's: name one of the two.", "employeeId")
    project = await tx.get(models.Project, project_id) if project_id else None
    return tx.add(
        models.ProjectRate(
            hourly_rate=hourly_rate,
            starts_on=from_ or await tx.today(),
            project_id=project.id if project else None,
            employee_id=employee_id,
            role=role,
        )
    )
