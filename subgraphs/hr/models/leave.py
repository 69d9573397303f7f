"""Leave: policies, the ledger that is the balance, calendars and requests (HR-3 to HR-6, HR-15)."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState, Refusal
from shared.language import Phrase
from shared.values import Personal, Ref, Sensitive
from subgraphs.hr.events import LeaveApproved, LeaveCancelled, LeaveDay, LeaveRequested

HALF = Decimal("0.5")
_WHY = "hr.leave_request.read"  # who may see that someone is away may not see why


class LeaveRequestKind(StrEnum):
    """Why someone is away."""

    ANNUAL = "ANNUAL"
    SICK = "SICK"
    PARENTAL = "PARENTAL"
    UNPAID = "UNPAID"
    OTHER = "OTHER"


class LeaveRequestStatus(StrEnum):
    """How far a request has come."""

    DRAFT = "DRAFT"
    REQUESTED = "REQUESTED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    TAKEN = "TAKEN"


class LeaveHalfDay(StrEnum):
    """Which half of a single day."""

    AM = "AM"
    PM = "PM"


class LeaveAccrual(StrEnum):
    """When the year's days are earned."""

    MONTHLY = "MONTHLY"
    YEARLY_UPFRONT = "YEARLY_UPFRONT"


class LeaveLedgerReason(StrEnum):
    """Why a balance changed."""

    ACCRUAL = "ACCRUAL"
    TAKEN = "TAKEN"
    CARRY_OVER = "CARRY_OVER"
    EXPIRY = "EXPIRY"
    ADJUSTMENT = "ADJUSTMENT"
    CANCEL = "CANCEL"


LIVE = (LeaveRequestStatus.REQUESTED, LeaveRequestStatus.APPROVED, LeaveRequestStatus.TAKEN)
UNPAID_KINDS = (LeaveRequestKind.UNPAID, LeaveRequestKind.PARENTAL)


class Overlap(Refusal):
    """Two requests of one person, or two assignments of one plan, claim the same day."""

    code = "OVERLAP"

    def __init__(self, what: str, starts_on: date, ends_on: date | None) -> None:
        """Name what is there already."""
        super().__init__(
            "{what} from {starts_on} to {ends_on} claims some of these days already.",
            what=what,
            starts_on=starts_on,
            ends_on=ends_on or Phrase("further notice"),
        )


class NoWorkingDay(Refusal):
    """There is nothing to take off."""

    code = "NO_WORKING_DAY"

    def __init__(self, starts_on: date, ends_on: date) -> None:
        """Name the days."""
        super().__init__("There is no working day from {starts_on} to {ends_on}.", starts_on=starts_on, ends_on=ends_on)


class InsufficientBalance(Refusal):
    """The balance at the start date does not reach (HR-5)."""

    code = "INSUFFICIENT_BALANCE"

    def __init__(self, days: Decimal, balance: Decimal) -> None:
        """Name what is asked and what is there."""
        super().__init__(
            "{days:f} days are asked for, {balance:f} will be there on that day.",
            days=days.normalize(),
            balance=balance.normalize(),
        )


class NotApprover(Refusal):
    """Someone else decides on this request."""

    code = "NOT_APPROVER"

    def __init__(self) -> None:
        """Say who may."""
        super().__init__("Only the manager of the person, or HR, decides on this request.")


class SelfApproval(Refusal):
    """Nobody approves their own leave."""

    code = "SELF_APPROVAL"

    def __init__(self) -> None:
        """Say so."""
        super().__init__("You can't approve your own leave: ask your manager.")


class AlreadyStarted(Refusal):
    """A leave that has begun is cancelled by HR only."""

    code = "ALREADY_STARTED"

    def __init__(self, starts_on: date) -> None:
        """Name the day."""
        super().__init__("The leave began on {starts_on}: only HR can cancel it now.", starts_on=starts_on)


class LeavePolicy(Entity):
    """How many days of a kind people get, and what becomes of those left at year end."""

    __unique__ = (("kind",),)

    kind: Mapped[LeaveRequestKind]
    days_per_year: Mapped[Annotated[Decimal, Field(ge=0, le=366)]]
    accrual: Mapped[LeaveAccrual] = default(LeaveAccrual.MONTHLY)
    carry_over_max: Mapped[Decimal] = default(Decimal(5))
    carry_over_expiry_month: Mapped[Annotated[int, Field(ge=1, le=12)]] = default(3)
    allow_negative_days: Mapped[Decimal] = default(Decimal(0))


class WorkCalendar(Entity):
    """Which days are worked: weekdays 1 (Monday) to 7, less public holidays."""

    __unique__ = (("name",),)

    name: Mapped[str]
    weekdays: Mapped[tuple[int, ...]] = default((1, 2, 3, 4, 5))
    hours_per_day: Mapped[Decimal] = default(Decimal(8))
    public_holidays: Mapped[tuple[date, ...]] = default(())

    def working_days(self, starts_on: date, ends_on: date) -> list[date]:
        """Return the working days of a span, both ends included (HR-4)."""
        span = (starts_on + timedelta(days=at) for at in range((ends_on - starts_on).days + 1))
        return [day for day in span if day.isoweekday() in self.weekdays and day not in self.public_holidays]


class LeaveLedgerLine(Entity):
    """One change of a balance; the balance is the sum of these and nothing else (HR-3)."""

    __unique__ = (("source_key",),)
    __indexes__ = (("employee_id", "kind", "date"),)

    employee_id: Mapped[Annotated[UUID, Ref("Employee", reverse="")]]
    kind: Mapped[LeaveRequestKind]
    date: Mapped[date]
    days: Mapped[Decimal]
    reason: Mapped[LeaveLedgerReason]
    source_key: Mapped[str]


class LeaveRequest(Entity):
    """Someone asks to be away."""

    __owner__ = "employee_id"
    __indexes__ = (("employee_id", "starts_on"), ("status", "starts_on"))

    reference: Mapped[str]
    employee_id: Mapped[Annotated[UUID, Ref("Employee")]]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    days: Mapped[Decimal]
    kind: Mapped[Annotated[LeaveRequestKind, Sensitive(_WHY)]] = default(LeaveRequestKind.ANNUAL)
    status: Mapped[LeaveRequestStatus] = default(LeaveRequestStatus.REQUESTED)
    half_day: Mapped[LeaveHalfDay | None] = default(None)
    dates: Mapped[tuple[LeaveDay, ...]] = default(())
    balance_after: Mapped[Annotated[Decimal | None, Sensitive(_WHY)]] = default(None)
    reason: Mapped[Annotated[str | None, Sensitive(_WHY), Personal("employee_id")]] = default(None)

    def plan(self, working_days: Sequence[date]) -> None:
        """Set the days this leave takes: working days, or half of one (HR-4). Raises NoWorkingDay."""
        if not working_days or self.ends_on < self.starts_on:
            raise NoWorkingDay(self.starts_on, self.ends_on)
        part = self.half_day.value if self.half_day and len(working_days) == 1 else "FULL"
        self.dates = tuple(LeaveDay(date=day, part=part) for day in working_days)
        self.days = Decimal(len(working_days)) * (Decimal(1) if part == "FULL" else HALF)

    @property
    def is_paid(self) -> bool:
        """Whether pay goes on; more of the kind leaves HR never (HR-15)."""
        return self.kind not in UNPAID_KINDS

    def requested(self, approver: UUID | None) -> LeaveRequested:
        """Return the fact that leave is asked for."""
        return LeaveRequested.of(self, approver_employee_id=approver)

    def approve(self, balance_after: Decimal | None) -> LeaveApproved:
        """Agree to the leave and return the fact. HR-5, HR-15. Raises IllegalState."""
        self._must_be(LeaveRequestStatus.REQUESTED)
        self.status, self.balance_after = LeaveRequestStatus.APPROVED, balance_after
        return LeaveApproved.of(self, paid=self.is_paid)

    def reject(self, reason: str) -> None:
        """Refuse the leave. Raises IllegalState."""
        self._must_be(LeaveRequestStatus.REQUESTED)
        self.status, self.reason = LeaveRequestStatus.REJECTED, reason

    def cancel(self, today: date, *, by_hr: bool) -> LeaveCancelled | None:
        """Give the leave up; return the fact where it was agreed already. Raises IllegalState, AlreadyStarted."""
        self._must_be(LeaveRequestStatus.REQUESTED, LeaveRequestStatus.APPROVED)
        was_approved = self.status is LeaveRequestStatus.APPROVED
        if was_approved and self.starts_on <= today and not by_hr:
            raise AlreadyStarted(self.starts_on)
        self.status = LeaveRequestStatus.CANCELLED
        return LeaveCancelled.of(self, paid=self.is_paid) if was_approved else None

    def _must_be(self, *statuses: LeaveRequestStatus) -> None:
        if self.status not in statuses:
            raise IllegalState(
                "The leave {reference} is {status} already.",
                reference=self.reference,
                status=Phrase(self.status.lower()),
            )


def accrued(policy: LeavePolicy, fte: Decimal, hired_on: date, left_on: date | None, month: date) -> Decimal:
    """Return the days earned in the month that begins on `month` (HR-3): in arrears, pro rata by calendar days.

    A year that is granted upfront is earned whole in January, or in the month of hiring for the months left.
    """
    following = (month.replace(day=28) + timedelta(days=4)).replace(day=1)
    first, last = max(month, hired_on), min(following - timedelta(days=1), left_on or date.max)
    if first > last:
        return Decimal(0)
    yearly = policy.days_per_year * fte
    if policy.accrual is LeaveAccrual.YEARLY_UPFRONT:
        begins = month.month == 1 or (hired_on.year, hired_on.month) == (month.year, month.month)
        return (yearly * (13 - month.month) / 12).quantize(Decimal("1e-6")) if begins else Decimal(0)
    worked, whole = (last - first).days + 1, (following - month).days
    return (yearly / 12 * worked / whole).quantize(Decimal("1e-6"))


def up_to_half(days: Decimal) -> Decimal:
    """Round up to the next half day, as at year end only (HR-3)."""
    return (days / HALF).to_integral_value(ROUND_CEILING) * HALF
