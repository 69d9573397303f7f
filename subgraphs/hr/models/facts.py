"""What HR keeps of others' facts, each once under its own key: commissions are a function of these (HR-7 to HR-13)."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.database.transaction import Transaction
from shared.errors import NotYet
from shared.values import Money, Part, Personal, Ref
from subgraphs.hr.events import SalesTeamShare


class WonDeal(Part):
    """What a closing is rated by."""

    shares: tuple[SalesTeamShare, ...]
    amount: Money
    margin: Money | None
    units: Decimal
    closed_on: date
    closed_at: datetime


class DealClosing(Entity):
    """One closing of a deal. An undone one stays as a tombstone: however late it comes again, nothing accrues."""

    __unique__ = (("deal_id", "closing_no"),)

    deal_id: Mapped[UUID]
    closing_no: Mapped[int]
    won: Mapped[WonDeal | None] = default(None)
    reopened_on: Mapped[date | None] = default(None)
    note: Mapped[str | None] = default(None)

    @property
    def key(self) -> str:
        """The closing's name as origin of documents (CRM-3)."""
        return f"deal:{self.deal_id}:{self.closing_no}"


class CommissionExpectation(Entity):
    """Who has what share of a closing, by the plan valid on its day, however late HR heard of it (HR-10, HR-12).

    `base` is the share in the plan's currency, `portion` the same as a factor of the deal's amount.
    """

    __unique__ = (("origin_key", "employee_id", "plan_id"),)

    deal_id: Mapped[UUID]
    origin_key: Mapped[str]
    employee_id: Mapped[Annotated[UUID, Ref("Employee", reverse="")]]
    plan_id: Mapped[Annotated[UUID, Ref("CommissionPlan", reverse="")]]
    portion: Mapped[Decimal]
    base: Mapped[Money]
    fx_rate: Mapped[Decimal] = default(Decimal(1))


class InvoiceFact(Entity):
    """What is known of an invoice: when it was issued, paid, voided, and what of it was collected."""

    __unique__ = (("invoice_id",),)
    __indexes__ = (("origin_key",),)

    invoice_id: Mapped[UUID]
    origin_key: Mapped[str | None] = default(None)
    net: Mapped[Money | None] = default(None)
    gross: Mapped[Money | None] = default(None)
    issued_on: Mapped[date | None] = default(None)
    paid_on: Mapped[date | None] = default(None)
    voided: Mapped[bool] = default(False)


class PaymentFact(Entity):
    """One payment of an invoice, or one taken back (negative)."""

    __unique__ = (("payment_id",),)
    __indexes__ = (("invoice_id",),)

    payment_id: Mapped[UUID]
    invoice_id: Mapped[UUID]
    amount: Mapped[Money]
    written_off: Mapped[bool] = default(False)


class CreditFact(Entity):
    """One credit note or refund, under its own key."""

    __unique__ = (("cause",),)
    __indexes__ = (("origin_key",), ("invoice_id",))

    cause: Mapped[str]
    net: Mapped[Money]
    gross: Mapped[Money]
    credited_on: Mapped[date]
    origin_key: Mapped[str | None] = default(None)
    invoice_id: Mapped[UUID | None] = default(None)
    is_refund: Mapped[bool] = default(False)


class DayRate(Entity):
    """An exchange rate of a day: one unit of `base` in `quote`."""

    __unique__ = (("base", "quote", "rate_date"),)

    base: Mapped[str]
    quote: Mapped[str]
    rate_date: Mapped[date]
    rate: Mapped[Decimal]


class UserLogin(Entity):
    """A user account and its e-mail, kept so that someone hired later is linked too."""

    __unique__ = (("user_id",),)
    __indexes__ = (("email",),)

    user_id: Mapped[UUID]
    email: Mapped[Annotated[str, Personal("user_id", "email")]]


def shares_of(salesperson: UUID | None, team: tuple[SalesTeamShare, ...]) -> tuple[SalesTeamShare, ...]:
    """Return who shares a deal: its team, else its salesperson alone (HR-8)."""
    if team or salesperson is None:
        return team
    return (SalesTeamShare(employee_id=salesperson, split_pct=Decimal(100)),)


async def rate_on(tx: Transaction, base: str, quote: str, on: date) -> Decimal:
    """Return the rate of a day, or of the last one before it (HR-11). Raises NotYet where none is known."""
    if base == quote:
        return Decimal(1)
    pair = or_((DayRate.base == base) & (DayRate.quote == quote), (DayRate.base == quote) & (DayRate.quote == base))
    statement = select(DayRate).where(pair, DayRate.rate_date <= on).order_by(DayRate.rate_date.desc()).limit(1)
    found = await tx.find(statement)
    if found is None:
        raise NotYet(f"an exchange rate from {base} to {quote} for {on}")
    return found.rate if found.base == base else Decimal(1) / found.rate
