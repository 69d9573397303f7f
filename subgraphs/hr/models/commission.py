"""Commission entries, and how a period is rated (HR-7 to HR-14)."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState
from shared.language import Phrase
from shared.values import Money, Ref
from subgraphs.hr.events import CommissionAccrued, CommissionApproved, CommissionClawedBack
from subgraphs.hr.models.plan import CommissionPlan


class CommissionEntryKind(StrEnum):
    """Earned, taken back, or corrected by hand."""

    ACCRUAL = "ACCRUAL"
    CLAWBACK = "CLAWBACK"
    ADJUSTMENT = "ADJUSTMENT"


class CommissionEntryStatus(StrEnum):
    """How far an entry has come on its way to Payroll."""

    ACCRUED = "ACCRUED"
    APPROVED = "APPROVED"
    PAID = "PAID"
    REVERSED = "REVERSED"


FROZEN = (CommissionEntryStatus.APPROVED, CommissionEntryStatus.PAID)


class CommissionEntry(Entity):
    """What someone earns for a sale, or loses again.

    `earned_amount` is what the tiers give; `amount` is that less what was credited while the entry was not yet approved.
    """

    __owner__ = "employee_id"
    __unique__ = (("source_key",),)
    __indexes__ = (("employee_id", "period_label"), ("origin_key",), ("period_label", "status"))

    source_key: Mapped[str]
    employee_id: Mapped[Annotated[UUID, Ref("Employee")]]
    base_amount: Mapped[Money]
    earned_amount: Mapped[Money]
    amount: Mapped[Money]
    period_label: Mapped[str]
    closed_on: Mapped[date]
    closed_at: Mapped[datetime]
    commission_plan_id: Mapped[Annotated[UUID | None, Ref("CommissionPlan", reverse="")]] = default(None)
    deal_id: Mapped[Annotated[UUID | None, Ref("crm.Deal")]] = default(None)
    invoice_id: Mapped[Annotated[UUID | None, Ref("invoicing.Invoice")]] = default(None)
    kind: Mapped[CommissionEntryKind] = default(CommissionEntryKind.ACCRUAL)
    rate_pct: Mapped[Decimal] = default(Decimal(0))
    credited_share: Mapped[Decimal] = default(Decimal(0))
    status: Mapped[CommissionEntryStatus] = default(CommissionEntryStatus.ACCRUED)
    origin_key: Mapped[str | None] = default(None)
    original_entry_id: Mapped[Annotated[UUID | None, Ref("CommissionEntry", reverse="corrections")]] = default(None)
    fx_rate: Mapped[Decimal] = default(Decimal(1))
    reason: Mapped[str | None] = default(None)

    @property
    def is_frozen(self) -> bool:
        """Whether it was approved: from then on it is corrected by further entries only (HR-11)."""
        return self.status in FROZEN

    def scale(self, share: Decimal) -> None:
        """Take a credited share off an entry that is not approved; a whole one reverses it (HR-9)."""
        self.credited_share = share
        self.status = CommissionEntryStatus.REVERSED if share >= 1 else CommissionEntryStatus.ACCRUED

    def rate(self, earned: Money) -> CommissionAccrued | None:
        """Set what the tiers give; return the fact where the amount changed (HR-7, HR-9, HR-14)."""
        reversed_ = self.status is CommissionEntryStatus.REVERSED
        amount = Money.zero(earned.currency) if reversed_ else earned.times(1 - self.credited_share)
        base = self.base_amount.amount
        self.earned_amount = earned
        self.rate_pct = (earned.amount * 100 / base).quantize(Decimal("1e-10")) if base else Decimal(0)
        before, self.amount = self.amount, amount
        return self.accrued() if before != amount else None

    def accrued(self) -> CommissionAccrued:
        """Return the fact of what is expected now."""
        return CommissionAccrued.of(self)

    def approve(self) -> CommissionApproved:
        """Freeze the entry and return the fact. HR-11, HR-14. Raises IllegalState unless it is accrued."""
        if self.status is not CommissionEntryStatus.ACCRUED:
            raise IllegalState(
                "The commission is {status}: only an accrued one can be approved.", status=Phrase(self.status.lower())
            )
        self.status = CommissionEntryStatus.APPROVED
        return CommissionApproved.of(self)

    def correct(
        self, kind: CommissionEntryKind, source_key: str, amount: Money, period_label: str, reason: str
    ) -> "CommissionEntry":
        """Return a further entry that corrects this one. A clawback is born approved (HR-11, HR-14)."""
        approved = kind is CommissionEntryKind.CLAWBACK
        return CommissionEntry(
            source_key=source_key,
            employee_id=self.employee_id,
            commission_plan_id=self.commission_plan_id,
            deal_id=self.deal_id,
            invoice_id=self.invoice_id,
            kind=kind,
            base_amount=Money.zero(amount.currency),
            earned_amount=amount,
            amount=amount,
            status=CommissionEntryStatus.APPROVED if approved else CommissionEntryStatus.ACCRUED,
            period_label=period_label,
            origin_key=self.origin_key,
            original_entry_id=self.id,
            closed_on=self.closed_on,
            closed_at=self.closed_at,
            reason=reason,
        )

    def clawed_back(self) -> CommissionClawedBack:
        """Return the fact of a clawback row."""
        return CommissionClawedBack.of(self)


def rate_period(plan: CommissionPlan, entries: Sequence[CommissionEntry]) -> list[CommissionAccrued]:
    """Rate one employee's accruals of a plan and period, and return what changed (HR-7).

    Frozen entries fill the tiers first; the others follow in the order of (closedAt, sourceKey), each earning
    T(base so far + own) - T(base so far): whatever the order of arrival, the amounts are the same.
    """
    so_far = Money.total((entry.base_amount for entry in entries if entry.is_frozen), plan.currency)
    changed: list[CommissionAccrued] = []
    for entry in sorted(entries, key=lambda entry: (entry.closed_at, entry.source_key)):
        if entry.is_frozen:
            continue
        reached = so_far
        if entry.status is CommissionEntryStatus.ACCRUED:
            reached = so_far + entry.base_amount
        if fact := entry.rate(plan.commission(reached) - plan.commission(so_far)):
            changed.append(fact)
        so_far = reached
    return changed
