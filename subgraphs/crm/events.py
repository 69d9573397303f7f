"""The facts CRM publishes, and its own reading of the facts it hears (tier1.md, 1)."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from shared.values import Address, Money, Part
from shared.wire.envelope import Event


class DealLine(Part):
    """A position of a deal: what is sold, how much, for how much."""

    line_key: str | None = None
    product_id: UUID | None = None
    description: str
    quantity: Decimal
    unit_price: Money
    discount_pct: Decimal = Decimal(0)

    @property
    def net(self) -> Money:
        """Quantity times price, less discount, rounded (CRM-4)."""
        return self.unit_price.times(self.quantity * (1 - self.discount_pct / 100))


class SalesShare(Part):
    """One person's share of a deal."""

    employee_id: UUID
    split_pct: Decimal


class CustomerCreated(Event, type="customer.created", aggregate="Customer"):
    """A customer was registered."""

    customer_id: UUID
    name: str
    kind: str
    email: str | None
    tax_number: str | None
    currency: str | None
    country_code: str | None
    address: Address | None


class CustomerUpdated(Event, type="customer.updated", aggregate="Customer"):
    """What others keep of a customer changed."""

    customer_id: UUID
    name: str
    email: str | None
    tax_number: str | None
    currency: str | None
    country_code: str | None
    address: Address | None
    lifecycle: str


class CustomerMerged(Event, type="customer.merged", aggregate="Customer", key="survivor_id"):
    """Two customers turned out to be one; the survivor stands for both (CRM-5)."""

    survivor_id: UUID
    merged_id: UUID


class ContactCreated(Event, type="contact.created", aggregate="Contact"):
    """A person at a customer became known."""

    contact_id: UUID
    customer_id: UUID
    full_name: str
    email: str | None
    phone: str | None
    preferred_locale: str | None
    consent_email: bool


class DealOpened(Event, type="deal.opened", aggregate="Deal"):
    """A sale began."""

    deal_id: UUID
    customer_id: UUID
    title: str
    pipeline_id: UUID | None
    amount: Money | None
    salesperson_id: UUID | None


class DealStageChanged(Event, type="deal.stage.changed", aggregate="Deal"):
    """A deal moved in its pipeline."""

    deal_id: UUID
    from_stage: str | None
    to_stage: str
    probability_pct: int
    amount: Money | None
    expected_close_on: date | None


class DealCloseWon(Event, type="deal.close.won", aggregate="Deal"):
    """A deal was won; (dealId, closingNo) names this closing for ever (CRM-3)."""

    deal_id: UUID
    closing_no: int
    title: str
    customer_id: UUID
    customer_name: str
    customer_tax_number: str | None
    customer_country: str | None
    billing_address: Address | None
    salesperson_id: UUID | None
    sales_team: tuple[SalesShare, ...]
    amount: Money
    margin_amount: Money | None
    lines: tuple[DealLine, ...]
    closed_on: date
    closed_at: datetime
    delivery_template: str | None
    contract_template: str | None


class DealCloseLost(Event, type="deal.close.lost", aggregate="Deal"):
    """A deal was lost."""

    deal_id: UUID
    closing_no: int
    customer_id: UUID
    reason: str
    competitor: str | None
    amount: Money | None


class DealReopened(Event, type="deal.reopened", aggregate="Deal"):
    """A closed deal is open again; this undoes the closing only where `previousStatus` is WON (CRM-3)."""

    deal_id: UUID
    closing_no: int
    previous_status: str
    reason: str
    salesperson_id: UUID | None
    amount: Money | None


class InvoiceOverdue(Event, type="invoice.overdue"):
    """Invoicing: a customer is late with an invoice."""

    invoice_id: UUID
    customer_id: UUID | None


class InvoicePaid(Event, type="invoice.paid"):
    """Invoicing: an invoice is settled."""

    invoice_id: UUID
    customer_id: UUID | None
