"""Other modules' facts that documents depend on: exchange rates, closed periods, merged customers."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Mapped

from shared.database import alias
from shared.database.entity import Entity
from shared.database.transaction import Transaction
from subgraphs.invoicing.models.invoice import Invoice, InvoiceStatus
from subgraphs.invoicing.models.payment import CustomerCredit
from subgraphs.invoicing.models.refusals import PeriodClosed, RateMissing


class DayRate(Entity):
    """An exchange rate of a day: one unit of `base` in `quote`."""

    __unique__ = (("base", "quote", "rate_date"),)

    base: Mapped[str]
    quote: Mapped[str]
    rate_date: Mapped[date]
    rate: Mapped[Decimal]


class ClosedPeriod(Entity):
    """Days into which nothing may be booked any more."""

    __unique__ = (("fiscal_period_id",),)

    fiscal_period_id: Mapped[UUID]
    starts_on: Mapped[date]
    ends_on: Mapped[date]


class CustomerAlias(Entity):
    """A merged customer and the one that stands for it."""

    __unique__ = (("merged_id",),)
    __indexes__ = (("survivor_id",),)

    merged_id: Mapped[UUID]
    survivor_id: Mapped[UUID]


async def rate_on(tx: Transaction, currency: str, on: date) -> Decimal:
    """Return what one unit of a currency is in the tenant's base currency on a day. INV-9. Raises RateMissing."""
    home = (await tx.tenant()).base_currency
    if currency == home:
        return Decimal(1)
    pair = or_(
        (DayRate.base == currency) & (DayRate.quote == home), (DayRate.base == home) & (DayRate.quote == currency)
    )
    statement = select(DayRate).where(pair, DayRate.rate_date <= on).order_by(DayRate.rate_date.desc()).limit(1)
    found = await tx.find(statement)
    if found is None:
        raise RateMissing(currency, home, on)
    return found.rate if found.base == currency else (Decimal(1) / found.rate).quantize(Decimal("1e-10"))


async def must_be_open(tx: Transaction, on: date) -> None:
    """Check that a day's books are open. INV-6. Raises PeriodClosed."""
    if await tx.first_where(ClosedPeriod, ClosedPeriod.starts_on <= on, ClosedPeriod.ends_on >= on):
        raise PeriodClosed(on)


async def survivor_of(tx: Transaction, customer_id: UUID | None) -> UUID | None:
    """Return the customer that stands for another since a merge, else the same."""
    return await alias.survivor_of(tx, CustomerAlias, customer_id) if customer_id else None


async def merge(tx: Transaction, survivor_id: UUID, merged_id: UUID) -> None:
    """Read all documents of a merged customer under the survivor; issued ones keep their id and snapshot."""
    survivor = await alias.merge(tx, CustomerAlias, merged_id, survivor_id)
    draft = Invoice.status == InvoiceStatus.DRAFT
    await tx.session.execute(
        update(Invoice).where(Invoice.customer_id == merged_id, draft).values(customer_id=survivor)
    )
    for model in (Invoice, CustomerCredit):
        mine = model.account_customer_id == merged_id
        await tx.session.execute(update(model).where(mine).values(account_customer_id=survivor))


def split_pair(pair: str) -> tuple[str, str] | None:
    """Return the two currencies of `USD/CNY`, `USD-CNY` or `USDCNY`; None for anything else."""
    letters = "".join(letter for letter in pair.upper() if letter.isalpha())
    return (letters[:3], letters[3:]) if len(letters) == 6 else None
