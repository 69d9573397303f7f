"""What Projects shows: its types, and what it adds to those of others."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, func, select

from shared.database.transaction import Transaction
from shared.graph.entity import batched, entity, extend
from shared.graph.rows import related
from shared.values import Money, Part
from subgraphs.projects import models
from subgraphs.projects.models import (
    DependencyKind,
    TimeEntryStatus,
)
from subgraphs.projects.models.tasks import OVER

_MAX_IDS = 200
Percent = Annotated[int, Field(ge=0, le=100)]


class ProjectMember(Part):
    """A person on a project, in a role that may have a rate of its own."""

    employee_id: UUID
    role: str | None = None


class TaskDependency(Part):
    """A task that another one waits for: until it is finished (FS) or begun (SS), and `lagDays` more."""

    predecessor_id: UUID
    kind: DependencyKind = DependencyKind.FS
    lag_days: int = 0


class ProjectNotice(Part):
    """Something that a project's manager should look at."""

    text: str
    task_id: UUID | None
    employee_id: UUID | None


def _is_open() -> ColumnElement[bool]:
    return models.ProjectTask.status.not_in(OVER)


async def _rates(
    tx: Transaction, model: type[models.Project | models.ProjectTask | models.TimeEntry], ids: list[UUID]
) -> dict[UUID, Money]:
    rows = await tx.all(select(model).where(model.id.in_(ids)))
    return {row.id: row.hourly_rate for row in rows if row.hourly_rate is not None}


@entity(
    models.Project,
    filters=("name", "code", "status", "billing", "customer_id", "deal_id", "manager_id", "starts_on", "due_on"),
    sort=("last_activity_at", "created_at", "name", "code", "due_on"),
    hidden=("origin_key", "batches_made", "hourly_rate"),
)
class Project:
    """Work for a customer, or for oneself."""

    @batched("projects.rate.read")
    @staticmethod
    async def hourly_rate(tx: Transaction, ids: list[UUID]) -> dict[UUID, Money]:
        """What an hour costs where no other rate holds (PRJ-5)."""
        return await _rates(tx, models.Project, ids)

    @batched()
    @staticmethod
    async def members(tx: Transaction, ids: list[UUID]) -> dict[UUID, list[ProjectMember]]:
        """Who works on it."""
        found: dict[UUID, list[ProjectMember]] = {one: [] for one in ids}
        member = models.ProjectMember
        for row in await tx.all(select(member).where(member.project_id.in_(ids)).order_by(member.id).limit(2000)):
            found[row.project_id].append(ProjectMember(employee_id=row.employee_id, role=row.role))
        return found

    @batched()
    @staticmethod
    async def notices(tx: Transaction, ids: list[UUID]) -> dict[UUID, list[ProjectNotice]]:
        """What its manager should look at, newest first."""
        found: dict[UUID, list[ProjectNotice]] = {one: [] for one in ids}
        notice = models.ProjectNotice
        newest = select(notice).where(notice.project_id.in_(ids)).order_by(notice.id.desc()).limit(1000)
        for row in await tx.all(newest):
            shown = ProjectNotice(text=row.text, task_id=row.task_id, employee_id=row.employee_id)
            found[row.project_id].append(shown)
        return found


@entity(
    models.ProjectTask,
    filters=("title", "project_id", "parent_task_id", "assignee_id", "status", "priority", "due_on"),
    sort=("due_on", "created_at", "title"),
    hidden=("hourly_rate",),
)
class ProjectTask:
    """A piece of a project's work."""

    @batched("projects.rate.read")
    @staticmethod
    async def hourly_rate(tx: Transaction, ids: list[UUID]) -> dict[UUID, Money]:
        """What an hour on this task costs, before all other rates (PRJ-5)."""
        return await _rates(tx, models.ProjectTask, ids)

    @batched()
    @staticmethod
    async def actual_hours(tx: Transaction, ids: list[UUID]) -> dict[UUID, Decimal]:
        """The hours logged on it, rejected ones left out."""
        entry = models.TimeEntry
        sums = (
            select(entry.project_task_id, func.sum(entry.hours))
            .where(entry.project_task_id.in_(ids), entry.status != TimeEntryStatus.REJECTED)
            .group_by(entry.project_task_id)
        )
        known = {task_id: hours for task_id, hours in (await tx.session.execute(sums)).all()}
        return {one: known.get(one, Decimal(0)) for one in ids}

    @batched()
    @staticmethod
    async def waits_for(tx: Transaction, ids: list[UUID]) -> dict[UUID, list[TaskDependency]]:
        """What must be finished or begun before it begins."""
        found: dict[UUID, list[TaskDependency]] = {one: [] for one in ids}
        dependency = models.TaskDependency
        for row in await tx.all(select(dependency).where(dependency.task_id.in_(ids)).limit(5000)):
            shown = TaskDependency(predecessor_id=row.predecessor_id, kind=row.kind, lag_days=row.lag_days)
            found[row.task_id].append(shown)
        return found


@entity(models.ProjectMilestone, filters=("project_id", "due_on", "billed"), sort=("due_on", "created_at"))
class ProjectMilestone:
    """A point of a project that is reached, and perhaps paid for."""


@entity(
    models.TimeEntry,
    filters=("project_id", "project_task_id", "employee_id", "worked_on", "status", "billable"),
    sort=("worked_on", "created_at"),
    hidden=("hourly_rate",),
)
class TimeEntry:
    """Hours that one person worked on one day."""

    @batched("projects.rate.read")
    @staticmethod
    async def hourly_rate(tx: Transaction, ids: list[UUID]) -> dict[UUID, Money]:
        """What an hour is billed at, known once it is approved."""
        return await _rates(tx, models.TimeEntry, ids)


@entity(models.BillableBatch, filters=("project_id", "customer_id", "status"), sort=("created_at", "reference"))
class BillableBatch:
    """Lines that go to invoicing together."""


@entity(models.ProjectRate, filters=("project_id", "employee_id", "role"), sort=("starts_on", "created_at"))
class ProjectRate:
    """What an hour costs from a day on."""


@entity(models.ProjectTemplate, filters=("name",), sort=("name", "created_at"))
class ProjectTemplate:
    """What a kind of project usually needs."""


@extend("crm.Customer")
class Customer:
    """What Projects adds to a customer."""

    projects = related(models.Project, by="customer_id", order_by="-last_activity_at", status=True)


@extend("crm.Deal")
class Deal:
    """What Projects adds to a deal."""

    projects = related(models.Project, by="deal_id", order_by="-last_activity_at", status=True)


@extend("hr.Employee")
class Employee:
    """What Projects adds to an employee."""

    tasks = related(models.ProjectTask, by="assignee_id", order_by="due_on", where=_is_open, status=True)
