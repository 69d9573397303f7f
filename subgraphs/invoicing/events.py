"""The facts Invoicing publishes, and its own reading of the facts it hears (tier1.md, 3)."""

from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import Field

from shared.values import Address, Money, Part
from shared.wire.envelope import Event


class BillTo(Part):
    """Who an invoice is addressed to, as it was when the invoice was issued."""

    name: str = Field(min_length=1, max_length=200)
    tax_number: str | None = Field(default=None, max_length=40)
    address: Address | None = None


class DocumentLine(Part):
    """A line of a billable fact, an invoice or a credit note (tier1.md, 18, "Shapes of JSON fields")."""

    line_key: str | None = None
    product_id: UUID | None = None
    description: str
    quantity: Decimal = Decimal(1)
    unit_price: Money
    discount_pct: Decimal = Field(default=Decimal(0), ge=0, le=100)
    tax_code: str | None = None
    tax_rate_pct: Decimal | None = Field(default=None, ge=0, le=100)
    net: Money | None = None
    tax: Money | None = None

    @property
    def extended(self) -> Money:
        """Quantity times price, less discount, rounded (INV-3)."""
        return self.unit_price.times(self.quantity * (1 - self.discount_pct / 100))


class TaxSummary(Part):
    """The tax of one rate on a document: base and tax add up to its totals (INV-3)."""

    tax_code_id: UUID | None = None
    tax_code: str | None = None
    rate_pct: Decimal
    base: Money
    tax: Money


class InvoiceDrafted(Event, type="invoice.drafted", aggregate="Invoice"):
    """A draft waits to be checked and issued."""

    invoice_id: UUID
    customer_id: UUID | None
    source_key: str | None
    gross_total: Money


class InvoiceIssued(Event, type="invoice.issued", aggregate="Invoice"):
    """An invoice got its number and is immutable from now on (INV-1, INV-2)."""

    invoice_id: UUID
    number: str
    customer_id: UUID | None
    customer_name: str
    source_key: str | None
    origin_key: str | None
    issue_date: date
    due_date: date
    currency: str
    exchange_rate: Decimal
    net_total: Money
    tax_total: Money
    gross_total: Money
    lines: tuple[DocumentLine, ...]
    tax_summary: tuple[TaxSummary, ...]


class InvoiceOverdue(Event, type="invoice.overdue", aggregate="Invoice"):
    """The due date of an open invoice has passed."""

    invoice_id: UUID
    number: str
    customer_id: UUID | None
    balance: Money
    days_late: int


class InvoicePaymentRecorded(Event, type="invoice.payment.recorded", aggregate="InvoicePayment"):
    """Money came in for an invoice, or a receipt was taken back (`reversesId`, negative amount; INV-14)."""

    invoice_id: UUID | None
    invoice_payment_id: UUID
    reverses_id: UUID | None
    from_credit: bool
    customer_id: UUID | None
    amount: Money
    exchange_rate: Decimal
    invoice_rate: Decimal
    received_on: date
    method: str
    balance: Money


class InvoicePaid(Event, type="invoice.paid", aggregate="Invoice"):
    """Nothing of an invoice is open any more; `writtenOff` is the part nobody paid, tax included (INV-17)."""

    invoice_id: UUID
    number: str
    customer_id: UUID | None
    source_key: str | None
    origin_key: str | None
    net_total: Money
    gross_total: Money
    written_off: Money
    paid_on: date


class InvoiceVoided(Event, type="invoice.voided", aggregate="Invoice"):
    """An invoice stands no longer; a draft that was discarded has no number (INV-8)."""

    invoice_id: UUID
    number: str | None
    customer_id: UUID | None
    source_key: str | None
    origin_key: str | None
    voided_on: date
    tax_summary: tuple[TaxSummary, ...]
    reason: str


class CreditNoteIssued(Event, type="credit_note.issued", aggregate="CreditNote"):
    """Part or all of an invoice was taken back (INV-7)."""

    credit_note_id: UUID
    number: str
    invoice_id: UUID
    customer_id: UUID | None
    invoice_source_key: str | None
    origin_key: str | None
    reason: str
    issue_date: date
    exchange_rate: Decimal
    invoice_net: Money
    fully_credited: bool
    net_total: Money
    tax_total: Money
    gross_total: Money
    lines: tuple[DocumentLine, ...]
    tax_summary: tuple[TaxSummary, ...]


class DealCloseWon(Event, type="deal.close.won"):
    """CRM: a deal was won; (dealId, closingNo) names this closing for ever."""

    deal_id: UUID
    closing_no: int
    title: str
    customer_id: UUID
    customer_name: str
    customer_tax_number: str | None = None
    billing_address: Address | None = None
    amount: Money
    lines: tuple[DocumentLine, ...] = ()


class DealReopened(Event, type="deal.reopened"):
    """CRM: a closed deal is open again; only a WON one undoes something (CRM-3)."""

    deal_id: UUID
    closing_no: int
    previous_status: str


class CustomerUpdated(Event, type="customer.updated"):
    """CRM: what others keep of a customer changed."""

    customer_id: UUID
    name: str
    tax_number: str | None = None
    address: Address | None = None


class CustomerMerged(Event, type="customer.merged"):
    """CRM: two customers turned out to be one."""

    survivor_id: UUID
    merged_id: UUID


class ExchangeRateUpdated(Event, type="exchange_rate.updated"):
    """Exchange rates: what one unit of the pair's first currency costs in the second on a day."""

    pair: str
    rate: Decimal = Field(gt=0)
    rate_date: date
    kind: str


class FiscalPeriodClosed(Event, type="fiscal_period.closed"):
    """Accounting: nothing may be booked into these days any more."""

    fiscal_period_id: UUID
    starts_on: date
    ends_on: date


class FiscalPeriodReopened(Event, type="fiscal_period.reopened"):
    """Accounting: the period takes bookings again."""

    fiscal_period_id: UUID


class BillableBatchReady(Event, type="billable.batch.ready"):
    """Projects: approved time and expenses wait for their invoice."""

    source_key: str
    origin_key: str | None = None
    customer_id: UUID | None = None
    customer_name: str | None = None
    currency: str
    lines: tuple[DocumentLine, ...]


class TaxRateChanged(Event, type="tax_rate.changed"):
    """Tax: from a day on a tax code has another rate."""

    tax_code_id: UUID
    tax_code: str
    rate_pct: Decimal
    valid_from: date
    rounding_rule: Literal["PER_LINE", "PER_DOCUMENT"]
