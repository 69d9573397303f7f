"""Invoices and their lines, from draft to settled (INV-1 to INV-8)."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState
from shared.language import Phrase
from shared.values import HUNDRED, Money, Part, Personal, Ref, Searchable
from subgraphs.invoicing.events import (
    BillTo,
    DocumentLine,
    InvoiceDrafted,
    InvoiceIssued,
    InvoiceOverdue,
    InvoicePaid,
    InvoiceVoided,
    TaxSummary,
)
from subgraphs.invoicing.models.refusals import (
    BillToRequired,
    ExceedsInvoice,
    HasPayments,
    NoLines,
    NotDraft,
    TaxCodeRequired,
)
from subgraphs.invoicing.models.tax import TaxRoundingRule, tax_amounts


class InvoiceStatus(StrEnum):
    """How far an invoice has come. A discarded draft is VOIDED and has no number."""

    DRAFT = "DRAFT"
    ISSUED = "ISSUED"
    PARTLY_PAID = "PARTLY_PAID"
    PAID = "PAID"
    OVERDUE = "OVERDUE"
    VOIDED = "VOIDED"
    CREDITED = "CREDITED"


OPEN_STATUSES = (InvoiceStatus.ISSUED, InvoiceStatus.PARTLY_PAID, InvoiceStatus.OVERDUE)


class PaymentTerm(Part):
    """When an invoice is due, and what early payment earns (INV-10, INV-16)."""

    days: int = Field(default=30, ge=0, le=365)
    discount_pct: Decimal | None = Field(default=None, gt=0, lt=100)
    discount_days: int | None = Field(default=None, ge=0, le=365)


class InvoiceLine(Entity):
    """One position of an invoice."""

    description: Mapped[Annotated[str, Field(min_length=1, max_length=500)]]
    invoice_id: Mapped[Annotated[UUID, Ref("Invoice", reverse="")]]
    position: Mapped[int]
    unit_price: Mapped[Money]
    net_amount: Mapped[Money]
    tax_amount: Mapped[Money]
    line_key: Mapped[str | None] = default(None)
    product_id: Mapped[Annotated[UUID | None, Ref("catalog.Product")]] = default(None)
    quantity: Mapped[Decimal] = default(Decimal(1))
    discount_pct: Mapped[Annotated[Decimal, Field(ge=0, le=100)]] = default(Decimal(0))
    tax_code_id: Mapped[Annotated[UUID | None, Ref("tax.TaxCode")]] = default(None)
    tax_code: Mapped[str | None] = default(None)
    tax_rate_pct: Mapped[Annotated[Decimal | None, Field(ge=0, le=100)]] = default(None)

    @property
    def extended(self) -> Money:
        """Quantity times price, less discount, rounded: the net, or the gross where prices include tax (INV-3)."""
        return self.unit_price.times(self.quantity * (1 - self.discount_pct / HUNDRED))

    def shown(self) -> DocumentLine:
        """Return the line as events show it."""
        return DocumentLine(
            line_key=self.line_key or str(self.id),
            product_id=self.product_id,
            description=self.description,
            quantity=self.quantity,
            unit_price=self.unit_price,
            discount_pct=self.discount_pct,
            tax_code=self.tax_code,
            tax_rate_pct=self.tax_rate_pct,
            net=self.net_amount,
            tax=self.tax_amount,
        )


_TAX_LAW = "What was invoiced is kept ten years, as tax law asks."


class Invoice(Entity):
    """What a customer owes for something: a draft that anyone may change, then a document that nobody may."""

    __indexes__ = (("status", "due_date"), ("account_customer_id", "due_date"), ("issue_date",), ("origin_key",))
    __table_args__ = (
        # A discarded or voided invoice frees its source (INV-8).
        Index(
            "uq_invoice_source_key", "tenant_id", "source_key", unique=True, postgresql_where=text("status <> 'VOIDED'")
        ),
        Index("uq_invoice_number", "tenant_id", "number", unique=True),
    )

    currency: Mapped[Annotated[str, Field(pattern="^[A-Z]{3}$")]]
    net_total: Mapped[Money]
    tax_total: Mapped[Money]
    gross_total: Mapped[Money]
    paid_total: Mapped[Money]
    credited_total: Mapped[Money]
    written_off: Mapped[Money]
    number: Mapped[Annotated[str | None, Searchable()]] = default(None)
    customer_id: Mapped[Annotated[UUID | None, Ref("crm.Customer")]] = default(None)
    # The customer it is read under: after a merge the survivor, while the document keeps its own.
    account_customer_id: Mapped[UUID | None] = default(None)
    deal_id: Mapped[Annotated[UUID | None, Ref("crm.Deal")]] = default(None)
    status: Mapped[InvoiceStatus] = default(InvoiceStatus.DRAFT)
    source_key: Mapped[Annotated[str | None, Field(max_length=200)]] = default(None)
    origin_key: Mapped[Annotated[str | None, Field(max_length=200)]] = default(None)
    bill_to: Mapped[Annotated[BillTo | None, Personal("customer_id", keep=_TAX_LAW)]] = default(None)
    issue_date: Mapped[date | None] = default(None)
    due_date: Mapped[date | None] = default(None)
    voided_on: Mapped[date | None] = default(None)
    exchange_rate: Mapped[Decimal | None] = default(None)
    rounding_rule: Mapped[TaxRoundingRule] = default(TaxRoundingRule.PER_LINE)
    prices_include_tax: Mapped[bool] = default(False)
    payment_term: Mapped[PaymentTerm] = default(PaymentTerm())
    tax_summary: Mapped[tuple[TaxSummary, ...]] = default(())

    @classmethod
    def empty(cls, currency: str, **more: object) -> "Invoice":
        """Return a draft without lines."""
        zero = Money.zero(currency)
        totals = ("net_total", "tax_total", "gross_total", "paid_total", "credited_total", "written_off")
        return cls(currency=currency, **dict.fromkeys(totals, zero), **more)  # pyright: ignore[reportArgumentType]

    @property
    def balance(self) -> Money:
        """What is still open: gross less payments less credits (INV-4)."""
        return self.gross_total - self.paid_total - self.credited_total

    @property
    def is_open(self) -> bool:
        """Whether it was issued and something of it may still be paid."""
        return self.status in OPEN_STATUSES

    def price(self, lines: Sequence[InvoiceLine]) -> None:
        """Set net and tax of each line, the tax summary and the totals; they add up (INV-3). Raises NotDraft."""
        self.must_be_draft()
        by_rate: dict[tuple[str | None, Decimal], list[InvoiceLine]] = {}
        for line in lines:
            by_rate.setdefault((line.tax_code, line.tax_rate_pct or Decimal(0)), []).append(line)
        summary: list[TaxSummary] = []
        for (code, rate), group in by_rate.items():
            amounts = tax_amounts(
                [line.extended for line in group], rate, self.rounding_rule, prices_include_tax=self.prices_include_tax
            )
            for line, amount in zip(group, amounts, strict=True):
                line.net_amount, line.tax_amount = amount.net, amount.tax
            base = Money.total((amount.net for amount in amounts), self.currency)
            tax = Money.total((amount.tax for amount in amounts), self.currency)
            summary.append(TaxSummary(tax_code=code, rate_pct=rate, base=base, tax=tax))
        self.tax_summary = tuple(summary)
        self.net_total = Money.total((one.base for one in summary), self.currency)
        self.tax_total = Money.total((one.tax for one in summary), self.currency)
        self.gross_total = self.net_total + self.tax_total

    def drafted(self) -> InvoiceDrafted:
        """Return the fact that this draft exists."""
        return InvoiceDrafted.of(self)

    def must_be_issuable(self, lines: Sequence[InvoiceLine]) -> None:
        """Check what an issued invoice must have. Raises NotDraft, NoLines, BillToRequired, TaxCodeRequired."""
        self.must_be_draft()
        if not lines:
            raise NoLines
        if self.bill_to is None:
            raise BillToRequired
        for line in lines:
            if line.tax_code is None and line.tax_code_id is None:
                raise TaxCodeRequired(line.description)

    def issue(self, number: str, on: date, exchange_rate: Decimal, lines: Sequence[InvoiceLine]) -> InvoiceIssued:
        """Make the draft a document and return the fact. INV-1, INV-2, INV-9; due after the term's days (INV-10).

        Raises what `must_be_issuable` raises.
        """
        self.must_be_issuable(lines)
        assert self.bill_to is not None
        self.price(lines)
        self.number, self.issue_date, self.exchange_rate = number, on, exchange_rate
        self.due_date = on + timedelta(days=self.payment_term.days)
        self.status = InvoiceStatus.ISSUED
        return InvoiceIssued.of(self, customer_name=self.bill_to.name, lines=tuple(line.shown() for line in lines))

    def receive(self, amount: Money, *, written_off: bool = False) -> None:
        """Count a payment, or a reversal (negative), or a write-off, which is no collection (INV-4, INV-14, INV-17)."""
        self.paid_total = self.paid_total + amount
        if written_off:
            self.written_off = self.written_off + amount

    def credit(self, gross: Money) -> Money:
        """Lower the balance; return what was paid already and is free now, so that the balance stays at 0 or above.

        INV-7, INV-13. Raises ExceedsInvoice.
        """
        left = self.gross_total - self.credited_total
        if gross.amount > left.amount:
            raise ExceedsInvoice(Phrase("Invoice {number}", number=self.number), gross, left)
        self.credited_total = self.credited_total + gross
        freed = max(-self.balance, Money.zero(self.currency), key=lambda money: money.amount)
        self.paid_total = self.paid_total - freed
        return freed

    def settle(self, today: date) -> InvoicePaid | None:
        """Derive the status from balance and due date (INV-5); return the fact where it became PAID just now."""
        before, self.status = self.status, self._derived(today)
        return self.paid(today) if self.status is InvoiceStatus.PAID and before is not InvoiceStatus.PAID else None

    def paid(self, on: date) -> InvoicePaid:
        """Return the fact that nothing is open any more."""
        return InvoicePaid.of(self, paid_on=on)

    def mark_overdue(self, as_of: date) -> InvoiceOverdue | None:
        """Become OVERDUE once the due date has passed; None where nothing changes (INV-5)."""
        if self.status not in (InvoiceStatus.ISSUED, InvoiceStatus.PARTLY_PAID):
            return None
        if self.due_date is None or self.due_date >= as_of:
            return None
        self.status = InvoiceStatus.OVERDUE
        return InvoiceOverdue.of(self, days_late=(as_of - self.due_date).days)

    def discard(self, on: date, reason: str) -> InvoiceVoided:
        """Give up a draft; its source is free again (INV-8). Raises NotDraft."""
        self.must_be_draft()
        return self._voided(on, reason)

    def void(self, on: date, reason: str) -> InvoiceVoided:
        """Declare an issued invoice void; its number stays used. INV-1, INV-6. Raises HasPayments, IllegalState."""
        if self.paid_total.amount or self.credited_total.amount:
            raise HasPayments(self.number)
        if self.status not in (InvoiceStatus.ISSUED, InvoiceStatus.OVERDUE):
            raise IllegalState(
                "The invoice {number} is {status}: it can't be voided.",
                number=self.number,
                status=Phrase(self.status.lower()),
            )
        return self._voided(on, reason)

    def must_be_draft(self) -> None:
        """Refuse to change a document. INV-2. Raises NotDraft."""
        if self.status is not InvoiceStatus.DRAFT:
            raise NotDraft(self.number, self.status)

    def _voided(self, on: date, reason: str) -> InvoiceVoided:
        self.status, self.voided_on = InvoiceStatus.VOIDED, on
        return InvoiceVoided.of(self, reason=reason)

    def _derived(self, today: date) -> InvoiceStatus:
        if self.balance.amount <= 0:
            only_credit = self.paid_total.amount == 0 and self.credited_total.amount > 0
            return (
                InvoiceStatus.CREDITED if only_credit and self.status is not InvoiceStatus.PAID else InvoiceStatus.PAID
            )
        if self.due_date is not None and self.due_date < today:
            return InvoiceStatus.OVERDUE
        return InvoiceStatus.PARTLY_PAID if self.paid_total.amount > 0 else InvoiceStatus.ISSUED
