"""Commission plans: what is paid for what, and to whom a plan applies (HR-7, HR-10)."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import Refusal
from shared.values import Money, Part, Ref


class CommissionPlanBasis(StrEnum):
    """What a commission is a share of."""

    REVENUE = "REVENUE"
    MARGIN = "MARGIN"
    UNITS = "UNITS"


class CommissionPlanTrigger(StrEnum):
    """When a commission is earned."""

    DEAL_WON = "DEAL_WON"
    INVOICE_ISSUED = "INVOICE_ISSUED"
    INVOICE_PAID = "INVOICE_PAID"


class CommissionPlanPeriodKind(StrEnum):
    """Over which time the tiers add up."""

    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"


class TiersNotAscending(Refusal):
    """Tiers begin at 0 and rise."""

    code = "TIERS_NOT_ASCENDING"
    field = ("tiers",)

    def __init__(self, amounts: Sequence[Decimal]) -> None:
        """Name what was sent."""
        sent = ", ".join(f"{amount:f}" for amount in amounts) or "none"
        super().__init__("Tiers begin at 0 and each begins above the one before; these begin at {sent}.", sent=sent)


class SplitNot100(Refusal):
    """The plans of one person share what they sell: on no day more than all of it."""

    code = "SPLIT_NOT_100"
    field = ("splitPct",)

    def __init__(self, total: Decimal) -> None:
        """Name the sum."""
        super().__init__(
            "The person's plans would share {total:f} % of a sale: 100 % is all there is.", total=total.normalize()
        )


class CommissionTier(Part):
    """From this cumulative base on, this rate."""

    from_amount: Decimal = Field(ge=0)
    rate_pct: Decimal = Field(ge=0, le=100)


class CommissionPlan(Entity):
    """Rates by tiers on the base of a period, all in one currency."""

    __indexes__ = (("name",),)

    name: Mapped[Annotated[str, Field(min_length=1, max_length=100)]]
    currency: Mapped[Annotated[str, Field(pattern="^[A-Z]{3}$")]]
    tiers: Mapped[tuple[CommissionTier, ...]]
    basis: Mapped[CommissionPlanBasis] = default(CommissionPlanBasis.REVENUE)
    trigger: Mapped[CommissionPlanTrigger] = default(CommissionPlanTrigger.DEAL_WON)
    period_kind: Mapped[CommissionPlanPeriodKind] = default(CommissionPlanPeriodKind.MONTH)
    accelerator: Mapped[bool] = default(False)
    quota_amount: Mapped[Money | None] = default(None)
    clawback_days: Mapped[Annotated[int | None, Field(ge=0)]] = default(90)
    valid_from: Mapped[date | None] = default(None)
    valid_to: Mapped[date | None] = default(None)

    def must_ascend(self) -> None:
        """Check the tiers. Raises TiersNotAscending."""
        starts = [tier.from_amount for tier in self.tiers]
        if not starts or starts[0] != 0 or any(low >= high for low, high in pairwise(starts)):
            raise TiersNotAscending(starts)

    def is_valid(self, on: date) -> bool:
        """Tell whether the plan applies on a day."""
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_to is None or on <= self.valid_to)

    def commission(self, base: Money) -> Money:
        """Return T(base): each part of the base at the rate of its own tier, the sum rounded (HR-7)."""
        total = Decimal(0)
        ends = [*(tier.from_amount for tier in self.tiers[1:]), None]
        for tier, end in zip(self.tiers, ends, strict=True):
            top = base.amount if end is None else min(base.amount, end)
            total += max(top - tier.from_amount, Decimal(0)) * tier.rate_pct / 100
        return Money(total, self.currency).rounded()

    def period_of(self, on: date) -> str:
        """Return the label of the period a day lies in: 2026-03, 2026-Q1, 2026."""
        match self.period_kind:
            case CommissionPlanPeriodKind.MONTH:
                return f"{on:%Y-%m}"
            case CommissionPlanPeriodKind.QUARTER:
                return f"{on.year}-Q{(on.month + 2) // 3}"
            case CommissionPlanPeriodKind.YEAR:
                return str(on.year)

    def claws_back(self, trigger_on: date, credited_on: date) -> bool:
        """Tell whether a credit counts: up to and including day `clawbackDays` after the trigger date (HR-9)."""
        return self.clawback_days is not None and credited_on <= trigger_on + timedelta(days=self.clawback_days)


class PlanAssignment(Entity):
    """A plan applies to someone for some time, for a share of what they sell."""

    __indexes__ = (("employee_id", "valid_from"),)

    employee_id: Mapped[Annotated[UUID, Ref("Employee", reverse="")]]
    plan_id: Mapped[Annotated[UUID, Ref("CommissionPlan", reverse="")]]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None] = default(None)
    split_pct: Mapped[Annotated[Decimal, Field(gt=0, le=100)]] = default(Decimal(100))
