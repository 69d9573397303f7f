"""Who owes how much for how long."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text

from shared.database.transaction import Transaction
from shared.graph.entity import card, query
from shared.values import Money, Part
from subgraphs.invoicing import models

# What was open at the end of a day, from what is dated that day or before (tier1.md, 3, agedReceivables).
_AGED = text("""
    with paid as (
        select invoice_id, sum(amount_amount) as total from invoicing.invoice_payment
        where received_on <= :as_of group by invoice_id
    ), credited as (
        select invoice_id, sum(gross_total_amount) as total from invoicing.credit_note
        where issue_date <= :as_of group by invoice_id
    ), open as (
        select i.account_customer_id as customer_id, i.currency, :as_of - i.due_date as days,
               i.gross_total_amount - coalesce(p.total, 0) - coalesce(c.total, 0) as balance
        from invoicing.invoice i left join paid p on p.invoice_id = i.id left join credited c on c.invoice_id = i.id
        where i.issue_date <= :as_of and (i.voided_on is null or i.voided_on > :as_of)
    )
    select customer_id, currency,
           coalesce(sum(balance) filter (where balance > 0 and days <= 0), 0) as current,
           coalesce(sum(balance) filter (where balance > 0 and days between 1 and 30), 0) as days_to_30,
           coalesce(sum(balance) filter (where balance > 0 and days between 31 and 60), 0) as days_to_60,
           coalesce(sum(balance) filter (where balance > 0 and days between 61 and 90), 0) as days_to_90,
           coalesce(sum(balance) filter (where balance > 0 and days > 90), 0) as days_beyond_90,
           coalesce(-sum(balance) filter (where balance < 0), 0) as credit
    from open where balance <> 0
    group by customer_id, currency order by customer_id, currency limit 1000
""")
_AGES = ("current", "days_to_30", "days_to_60", "days_to_90", "days_beyond_90", "credit")


class AgedReceivable(Part):
    """What one customer owes in one currency, by days past due; what is to the customer's credit stands apart."""

    customer_id: UUID | None
    current: Money
    days_to_30: Money
    days_to_60: Money
    days_to_90: Money
    days_beyond_90: Money
    credit: Money


class ReceivablesByAge(Part):
    """What all customers owe in one currency, by days past due."""

    current: Money
    days_to_30: Money
    days_to_60: Money
    days_to_90: Money
    days_beyond_90: Money
    credit: Money


class InvoicingDashboard(Part):
    """Receivables at a glance."""

    by_age: tuple[ReceivablesByAge, ...]


@query("invoicing.invoice.read")
async def aged_receivables(tx: Transaction, as_of: date | None = None) -> list[AgedReceivable]:
    """Return what was open at the end of a day, per customer and currency."""
    if tx.visible(models.Invoice):  # an invoice has no owner: in a narrower row scope there are none
        return []
    found = (await tx.session.execute(_AGED, {"as_of": as_of or await tx.today()})).mappings().all()
    return [
        AgedReceivable(
            customer_id=row["customer_id"], **{age: Money(row[age], row["currency"]).rounded() for age in _AGES}
        )
        for row in found
    ]


@card("invoicing.invoice.read")
async def invoicing_card(tx: Transaction) -> InvoicingDashboard:
    """Receivables by age, per currency."""
    sums: dict[str, dict[str, Decimal]] = {}
    for row in await aged_receivables(tx):
        of_currency = sums.setdefault(row.current.currency, dict.fromkeys(_AGES, Decimal(0)))
        for age in _AGES:
            of_currency[age] += getattr(row, age).amount
    return InvoicingDashboard(
        by_age=tuple(
            ReceivablesByAge(**{age: Money(total, currency) for age, total in ages.items()})
            for currency, ages in sorted(sums.items())
        )
    )
