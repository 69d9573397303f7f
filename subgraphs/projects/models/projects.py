"""Projects, who works on them, and what they were made from (tier1.md, 7)."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState
from shared.values import Money, Part, Personal, Ref, Searchable
from subgraphs.projects.events import ProjectCompleted, ProjectCreated
from subgraphs.projects.models.refusals import ProjectIsClosed

RISKY_SPENT, RISKY_PROGRESS = Decimal("0.9"), 80


class ProjectBilling(StrEnum):
    """What a customer pays for: hours, a price, milestones, nothing."""

    TIME_MATERIAL = "TIME_MATERIAL"
    FIXED_PRICE = "FIXED_PRICE"
    MILESTONE = "MILESTONE"
    NON_BILLABLE = "NON_BILLABLE"


class ProjectStatus(StrEnum):
    """How far a project has come."""

    PLANNED = "PLANNED"
    ACTIVE = "ACTIVE"
    ON_HOLD = "ON_HOLD"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class Project(Entity):
    """Work for a customer, or for oneself."""

    __owner__ = "manager_id"
    __unique__ = (("code",), ("origin_key",))
    __indexes__ = (("status", "due_on"), ("customer_id", "last_activity_at"))

    name: Mapped[Annotated[str, Field(min_length=1, max_length=200), Searchable()]]
    code: Mapped[Annotated[str, Field(min_length=1, max_length=40)]]
    billing: Mapped[ProjectBilling]
    last_activity_at: Mapped[datetime]
    customer_id: Mapped[Annotated[UUID | None, Ref("crm.Customer")]] = default(None)
    customer_name: Mapped[Annotated[str | None, Personal("customer_id")]] = default(None)
    deal_id: Mapped[Annotated[UUID | None, Ref("crm.Deal")]] = default(None)
    manager_id: Mapped[Annotated[UUID | None, Ref("hr.Employee")]] = default(None)
    status: Mapped[ProjectStatus] = default(ProjectStatus.PLANNED)
    starts_on: Mapped[date | None] = default(None)
    due_on: Mapped[date | None] = default(None)
    completed_on: Mapped[date | None] = default(None)
    budget_hours: Mapped[Annotated[Decimal | None, Field(ge=0)]] = default(None)
    contract_value: Mapped[Money | None] = default(None)
    hourly_rate: Mapped[Money | None] = default(None)
    wip_limit: Mapped[Annotated[int | None, Field(gt=0)]] = default(None)
    origin_key: Mapped[str | None] = default(None)
    status_reason: Mapped[Annotated[str | None, Field(max_length=2000)]] = default(None)
    batches_made: Mapped[int] = default(0)

    def created(self, members: Sequence[UUID]) -> ProjectCreated:
        """Return the fact that it was opened."""
        return ProjectCreated.of(self, member_employee_ids=tuple(members))

    def must_be_open(self) -> None:
        """Raise ProjectIsClosed for a completed or cancelled project (PRJ-3)."""
        if self.status in (ProjectStatus.COMPLETED, ProjectStatus.CANCELLED):
            raise ProjectIsClosed(self.code, self.status)

    def start(self) -> None:
        """Become ACTIVE: the first work on a planned project, or the end of a hold."""
        self.must_be_open()
        self.status, self.status_reason = ProjectStatus.ACTIVE, None

    def hold(self, reason: str) -> None:
        """Stand still for a reason. Raises IllegalState, ProjectIsClosed."""
        self.must_be_open()
        if self.status is not ProjectStatus.ACTIVE:
            raise IllegalState(
                "The project {code} is {status}: only an active one is put on hold.", code=self.code, status=self.status
            )
        self.status, self.status_reason = ProjectStatus.ON_HOLD, reason

    def complete(self, on: date, approved_hours: Decimal) -> ProjectCompleted:
        """Be done. Raises IllegalState, ProjectIsClosed. Its tasks and time were looked at before (PRJ-9)."""
        self.must_be_open()
        if self.status is not ProjectStatus.ACTIVE:
            raise IllegalState(
                "The project {code} is {status}: only an active one is completed.", code=self.code, status=self.status
            )
        self.status, self.completed_on = ProjectStatus.COMPLETED, on
        return ProjectCompleted.of(self, completed_on=on, approved_hours=approved_hours)

    def cancel(self, reason: str) -> None:
        """Be given up. Raises ProjectIsClosed."""
        self.must_be_open()
        self.status, self.status_reason = ProjectStatus.CANCELLED, reason

    def is_at_risk(self, today: date, spent_hours: Decimal, progress_pct: int) -> bool:
        """Tell whether it is late, or has used over 90 % of its hours for less than 80 % of the work (tier1.md, 7, Card)."""
        if self.status not in (ProjectStatus.ACTIVE, ProjectStatus.ON_HOLD):
            return False
        if self.due_on is not None and self.due_on < today:
            return True
        return bool(
            self.budget_hours and spent_hours > self.budget_hours * RISKY_SPENT and progress_pct < RISKY_PROGRESS
        )


class TaskTemplate(Part):
    """A task that a template plans; `offsetDays` counts from the project's start to the due day."""

    title: str = Field(min_length=1, max_length=300)
    estimate_hours: Decimal | None = None
    offset_days: int | None = None


class MilestoneTemplate(Part):
    """A milestone that a template plans, paid with `billPct` percent of the contract's value."""

    title: str = Field(min_length=1, max_length=300)
    bill_pct: Decimal | None = Field(default=None, ge=0, le=100)
    offset_days: int | None = None


class ProjectTemplate(Entity):
    """What a kind of project usually needs; deals name it as their delivery template."""

    __unique__ = (("name",),)

    name: Mapped[Annotated[str, Field(min_length=1, max_length=200)]]
    billing: Mapped[ProjectBilling] = default(ProjectBilling.TIME_MATERIAL)
    tasks: Mapped[tuple[TaskTemplate, ...]] = default(())
    milestones: Mapped[tuple[MilestoneTemplate, ...]] = default(())


class ProjectMember(Entity):
    """A person on a project, in a role."""

    __unique__ = (("project_id", "employee_id"),)

    project_id: Mapped[Annotated[UUID, Ref("Project", reverse="")]]
    employee_id: Mapped[UUID]
    role: Mapped[Annotated[str | None, Field(max_length=100)]] = default(None)


class ProjectNotice(Entity):
    """Something a project's manager should look at: a leaver's open task, a task due while its person is away."""

    __unique__ = (("source_key",),)

    project_id: Mapped[Annotated[UUID, Ref("Project", reverse="")]]
    text: Mapped[str]
    source_key: Mapped[str]
    task_id: Mapped[Annotated[UUID | None, Ref("ProjectTask", reverse="")]] = default(None)
    employee_id: Mapped[UUID | None] = default(None)


class ProjectSettings(Entity):
    """What a tenant decided for its projects, and its last project code; one row, locked while a code is drawn."""

    __unique__ = (("name",),)

    name: Mapped[str] = default("projects")
    quarter_hours: Mapped[bool] = default(False)
    last_code: Mapped[int] = default(0)

    def next_code(self) -> str:
        """Return the next project code, such as `P-0012`."""
        self.last_code += 1
        return f"P-{self.last_code:04d}"


class KnownCustomer(Entity):
    """Projects' own copy of a customer's name."""

    __unique__ = (("customer_id",),)

    customer_id: Mapped[UUID]
    name: Mapped[Annotated[str | None, Personal("customer_id")]] = default(None)


class CustomerAlias(Entity):
    """A merged customer and the one that stands for it."""

    __unique__ = (("merged_id",),)
    __indexes__ = (("survivor_id",),)

    merged_id: Mapped[UUID]
    survivor_id: Mapped[UUID]


class KnownEmployee(Entity):
    """Projects' own copy of who works here; the login is known once they have worked on something."""

    __unique__ = (("employee_id",),)

    employee_id: Mapped[UUID]
    full_name: Mapped[Annotated[str | None, Personal("employee_id")]] = default(None)
    manager_id: Mapped[UUID | None] = default(None)
    user_id: Mapped[UUID | None] = default(None)
    left_on: Mapped[date | None] = default(None)
