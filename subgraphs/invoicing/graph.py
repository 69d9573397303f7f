"""Invoicing's types, queries and commands: thin, they call models."""

from shared.graph.entity import entity, extend, field_of_row
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
