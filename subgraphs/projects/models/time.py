"""Time worked, what an hour costs, and what goes to be billed (PRJ-3 to PRJ-7)."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState, Invalid
from shared.language import Phrase
from shared.values import Money, Ref
from subgraphs.projects.events import BillableBatchReady, BillableLine, TimeEntryApproved
from subgraphs.projects.models.projects import Project
from subgraphs.projects.models.refusals import DayFull, RateMissing
from subgraphs.projects.models.tasks import ProjectMilestone

DAY_HOURS = Decimal(24)
_QUARTERS = 4


class TimeEntryStatus(StrEnum):
    """How far an entry has come on its way to the invoice."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    BILLED = "BILLED"


class BillableBatchStatus(StrEnum):
    """How far a batch has come."""

    PREPARED = "PREPARED"
    SENT = "SENT"
    INVOICED = "INVOICED"
    CANCELLED = "CANCELLED"


def week_of(day: date) -> date:
    """Return the Monday of a day's week."""
    return day - timedelta(days=day.weekday())


class TimeEntry(Entity):
    """Hours that one person worked on one day."""

    __owner__ = "employee_id"
    __indexes__ = (("employee_id", "worked_on"), ("project_id", "status"))

    note: Mapped[Annotated[str, Field(min_length=1, max_length=1000)]]
    project_id: Mapped[Annotated[UUID, Ref("Project")]]
    worked_on: Mapped[date]
    hours: Mapped[Annotated[Decimal, Field(ge=-24, le=24)]]
    employee_id: Mapped[Annotated[UUID | None, Ref("hr.Employee")]] = default(None)
    project_task_id: Mapped[Annotated[UUID | None, Ref("ProjectTask")]] = default(None)
    billable: Mapped[bool] = default(True)
    status: Mapped[TimeEntryStatus] = default(TimeEntryStatus.DRAFT)
    hourly_rate: Mapped[Money | None] = default(None)
    approved_by_id: Mapped[Annotated[UUID | None, Ref("identity.UserAccount")]] = default(None)
    rejected_because: Mapped[Annotated[str | None, Field(max_length=1000)]] = default(None)
    corrects_id: Mapped[Annotated[UUID | None, Ref("TimeEntry", reverse="corrections")]] = default(None)
    batch_id: Mapped[Annotated[UUID | None, Ref("BillableBatch", reverse="time_entries")]] = default(None)

    def check(self, others: Decimal, corrected: "TimeEntry | None", *, quarter_hours: bool) -> None:
        """Check the hours against the day, of which `others` are logged already (PRJ-3), or the entry it corrects.

        Raises DayFull, Invalid.
        """
        if quarter_hours and self.hours * _QUARTERS % 1:
            raise Invalid("Time is logged in quarter hours here.", "hours")
        if corrected is not None:
            self._check_correction(corrected)
        elif not 0 < self.hours <= DAY_HOURS:
            raise Invalid("Log more than 0 and at most 24 hours.", "hours")
        elif others + self.hours > DAY_HOURS:
            raise DayFull(self.worked_on, others)

    def _check_correction(self, corrected: "TimeEntry") -> None:
        """PRJ-4: after billing, a negative entry takes hours back."""
        if corrected.status is not TimeEntryStatus.BILLED:
            raise IllegalState("Only billed time is corrected by a negative entry: have this one rejected instead.")
        if not -corrected.hours <= self.hours < 0:
            raise Invalid(
                "A correction takes back up to {hours:f} hours: log a negative number.", "hours", hours=corrected.hours
            )

    def submit(self) -> None:
        """Hand it in for approval."""
        self._must_be("submitted", TimeEntryStatus.DRAFT)
        self.status = TimeEntryStatus.SUBMITTED

    def approve(self, by: UUID | None, rate: Money | None) -> TimeEntryApproved:
        """Approve it with its rate, for ever (PRJ-4, PRJ-5). Raises RateMissing, IllegalState."""
        self._must_be("approved", TimeEntryStatus.SUBMITTED)
        if self.billable and rate is None:
            raise RateMissing(self.note)
        self.status, self.approved_by_id, self.rejected_because = TimeEntryStatus.APPROVED, by, None
        self.hourly_rate = rate
        return TimeEntryApproved.of(self, task_id=self.project_task_id)

    def reject(self, reason: str) -> None:
        """Give it back; approved time, too, until it is in a batch (PRJ-4)."""
        self._must_be("rejected", TimeEntryStatus.SUBMITTED, TimeEntryStatus.APPROVED)
        if self.batch_id is not None:
            raise IllegalState("The entry {note!r} is in a batch: cancel the batch's invoice first.", note=self.note)
        self.status, self.rejected_because, self.hourly_rate = TimeEntryStatus.REJECTED, reason, None

    def revise(self) -> None:
        """Become a draft again, to be changed."""
        self._must_be("changed", TimeEntryStatus.DRAFT, TimeEntryStatus.REJECTED)
        self.status, self.rejected_because = TimeEntryStatus.DRAFT, None

    def line(self) -> BillableLine:
        """Return its line of a batch; only approved, billable time has one."""
        assert self.hourly_rate is not None
        return BillableLine(
            source_key=f"time:{self.id}",
            description=self.note,
            quantity=self.hours,
            unit_price=self.hourly_rate,
            amount=self.hourly_rate.times(self.hours),
            employee_id=self.employee_id,
            task_id=self.project_task_id,
            worked_on=self.worked_on,
        )

    def _must_be(self, what: str, *allowed: TimeEntryStatus) -> None:
        if self.status not in allowed:
            wanted = " or ".join(allowed)
            raise IllegalState(
                "The entry {note!r} is {status}: only {wanted} time is {what}.",
                note=self.note,
                status=self.status,
                wanted=wanted,
                what=Phrase(what),
            )


class ProjectRate(Entity):
    """What an hour costs from a day on: of a person or a role, on one project or (project null) on all (PRJ-5)."""

    __indexes__ = (("employee_id",),)

    hourly_rate: Mapped[Money]
    starts_on: Mapped[date]
    project_id: Mapped[Annotated[UUID | None, Ref("Project", reverse="")]] = default(None)
    employee_id: Mapped[Annotated[UUID | None, Ref("hr.Employee")]] = default(None)
    role: Mapped[Annotated[str | None, Field(max_length=100)]] = default(None)


def rate_for(
    entry: TimeEntry, project: Project, task_rate: Money | None, role: str | None, rates: Sequence[ProjectRate]
) -> Money | None:
    """Return the hourly rate that holds for an entry: task, person on project, role, person, project (PRJ-5).

    `role` is the person's on the project. Of rates that hold alike, the latest one up to the day worked counts, one of
    the project before one of all projects.
    """
    valid = [rate for rate in rates if rate.starts_on <= entry.worked_on and rate.project_id in (None, project.id)]

    def latest(found: Iterable[ProjectRate]) -> Money | None:
        best = max(found, key=lambda rate: (rate.project_id is not None, rate.starts_on), default=None)
        return best.hourly_rate if best else None

    person = [rate for rate in valid if entry.employee_id and rate.employee_id == entry.employee_id]
    return (
        task_rate
        or latest(rate for rate in person if rate.project_id is not None)
        or latest(rate for rate in valid if role and rate.role == role and rate.employee_id is None)
        or latest(person)
        or project.hourly_rate
    )


class BillableBatch(Entity):
    """Lines that go to invoicing together, in one currency."""

    __unique__ = (("reference",),)

    reference: Mapped[str]
    project_id: Mapped[Annotated[UUID, Ref("Project", reverse="batches")]]
    total: Mapped[Money]
    customer_id: Mapped[Annotated[UUID | None, Ref("crm.Customer")]] = default(None)
    period_start: Mapped[date | None] = default(None)
    period_end: Mapped[date | None] = default(None)
    line_count: Mapped[int] = default(0)
    status: Mapped[BillableBatchStatus] = default(BillableBatchStatus.PREPARED)
    lines: Mapped[tuple[BillableLine, ...]] = default(())

    @property
    def source_key(self) -> str:
        """The business key that invoicing carries."""
        return f"batch:{self.id}"

    def ready(self, project: Project, customer_name: str | None) -> BillableBatchReady:
        """Return the fact that it waits to be invoiced."""
        return BillableBatchReady.of(
            self,
            source_key=self.source_key,
            origin_key=project.origin_key,
            currency=self.total.currency,
            project_name=project.name,
            customer_name=customer_name,
            lines=tuple(line.to_invoice() for line in self.lines),
        )

    def mark_sent(self) -> None:
        """Be on the draft of an invoice; what came later stays."""
        if self.status is BillableBatchStatus.PREPARED:
            self.status = BillableBatchStatus.SENT

    def mark_invoiced(self, entries: Iterable[TimeEntry], milestones: Iterable[ProjectMilestone]) -> None:
        """Be on an issued invoice, and so its time and milestones; a cancelled batch stays cancelled."""
        if self.status is BillableBatchStatus.CANCELLED:
            return
        self.status = BillableBatchStatus.INVOICED
        for entry in entries:
            entry.status = TimeEntryStatus.BILLED
        for milestone in milestones:
            milestone.billed = True

    def cancel(self, entries: Iterable[TimeEntry], milestones: Iterable[ProjectMilestone]) -> None:
        """Give the time and milestones in it free for the next batch (PRJ-6)."""
        self.status = BillableBatchStatus.CANCELLED
        for entry in entries:
            entry.status, entry.batch_id = TimeEntryStatus.APPROVED, None
        for milestone in milestones:
            milestone.billed, milestone.batch_id = False, None


class BilledSource(Entity):
    """What is in a batch that is not cancelled: time, milestones, each at most once (PRJ-6)."""

    __unique__ = (("source_key",),)

    source_key: Mapped[str]
    batch_id: Mapped[Annotated[UUID, Ref("BillableBatch", reverse="")]]


def bill(project: Project, lines: Sequence[BillableLine], batch_no: int) -> BillableBatch:
    """Return a batch of the lines that are in the currency of the first one; the others wait for the next (PRJ-7)."""
    currency = lines[0].unit_price.currency
    taken = tuple(line for line in lines if line.unit_price.currency == currency)
    days = [line.worked_on for line in taken if line.worked_on]
    return BillableBatch(
        reference=f"{project.code}-B{batch_no}",
        project_id=project.id,
        customer_id=project.customer_id,
        total=Money.total((line.amount for line in taken), currency),
        period_start=min(days, default=None),
        period_end=max(days, default=None),
        line_count=len(taken),
        lines=taken,
    )


def milestone_line(milestone: ProjectMilestone) -> BillableLine:
    """Return a reached milestone's line of a batch."""
    assert milestone.bill_amount is not None
    amount = milestone.bill_amount.rounded()
    return BillableLine(
        source_key=f"milestone:{milestone.id}",
        description=milestone.title,
        quantity=Decimal(1),
        unit_price=amount,
        amount=amount,
        worked_on=milestone.reached_on,
    )
