"""Types of invoices and what belongs to them, and Invoicing's fields on customers and deals."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select

from shared.database.transaction import Transaction
from shared.graph.entity import batched, entity, extend, field_of_row
from shared.graph.rows import related
from shared.values import Money
from subgraphs.invoicing import models
from subgraphs.invoicing.models import OPEN_STATUSES, InvoiceStatus


@entity(
    models.Invoice,
    filters=(
        "number",
        "status",
        "customer_id",
        "deal_id",
        "issue_date",
        "due_date",
        "currency",
        "gross_total",
        "source_key",
    ),
    sort=("created_at", "number", "issue_date", "due_date", "gross_total"),
    hidden=("account_customer_id",),
)
class Invoice:
    """What a customer owes for something: a draft that anyone may change, then a document that nobody may."""

    lines = related(models.InvoiceLine, by="invoice_id", order_by="position")

    @field_of_row
    @staticmethod
    def balance(invoice: models.Invoice) -> Money:
        """What is still open: gross less payments less credits."""
        return invoice.balance


@entity(models.InvoiceLine, filters=("invoice_id", "product_id"), sort=("position", "created_at"))
class InvoiceLine:
    """One position of an invoice."""


@entity(
    models.InvoicePayment, filters=("invoice_id", "method", "received_on", "reversed"), sort=("received_on", "amount")
)
class InvoicePayment:
    """One receipt for an invoice; a negative one takes an earlier one back."""


@entity(
    models.CreditNote,
    filters=("number", "invoice_id", "customer_id", "status", "reason", "issue_date", "gross_total"),
    sort=("created_at", "number", "issue_date", "gross_total"),
)
class CreditNote:
    """Part or all of an issued invoice, taken back."""


@entity(models.NumberSeries, filters=("document_kind", "fiscal_year"), sort=("fiscal_year", "created_at"))
class NumberSeries:
    """The numbers of one kind of document in one fiscal year: without gaps, in the order of dates."""


@entity(models.TaxDefault, filters=("code",))
class TaxDefault:
    """The one rate a tenant's lines have unless they name another."""


@extend("crm.Customer")
class Customer:
    """What Invoicing knows of a customer."""

    open_invoices = related(
        models.Invoice,
        by="account_customer_id",
        where=lambda: models.Invoice.status.in_(OPEN_STATUSES),
        order_by="due_date",
        status=True,
    )

    @batched("invoicing.invoice.read")
    @staticmethod
    async def outstanding_balance(tx: Transaction, ids: list[UUID]) -> dict[UUID, Money]:
        """What the customer owes in all, in the tenant's base currency."""
        home = (await tx.tenant()).base_currency
        columns = models.Invoice.__table__.c
        balance = columns.gross_total_amount - columns.paid_total_amount - columns.credited_total_amount
        owed = func.sum(balance * func.coalesce(columns.exchange_rate, 1))
        statement = (
            select(models.Invoice.account_customer_id, owed)
            .where(models.Invoice.account_customer_id.in_(ids), models.Invoice.status.in_(OPEN_STATUSES))
            .group_by(models.Invoice.account_customer_id)
        )
        sums: dict[UUID, Decimal] = {one: total for one, total in (await tx.session.execute(statement)).all() if one}
        return {one: Money(sums.get(one, Decimal(0)), home).rounded() for one in ids}


@extend("crm.Deal")
class Deal:
    """What Invoicing knows of a deal."""

    invoices = related(
        models.Invoice,
        by="deal_id",
        where=lambda: models.Invoice.status != InvoiceStatus.VOIDED,
        order_by="created_at",
        status=True,
    )
