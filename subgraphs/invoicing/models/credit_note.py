"""Credit notes: how much of an invoice is taken back (INV-7, INV-13)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState, Invalid
from shared.language import Phrase
from shared.values import Money, Part, Ref, Searchable
from subgraphs.invoicing.events import CreditNoteIssued, DocumentLine, TaxSummary
from subgraphs.invoicing.models.invoice import OPEN_STATUSES, Invoice, InvoiceLine, InvoiceStatus
from subgraphs.invoicing.models.refusals import ExceedsInvoice


class CreditNoteReason(StrEnum):
    """Why something is taken back."""

    RETURN = "RETURN"
    PRICE_ERROR = "PRICE_ERROR"
    DEAL_REOPENED = "DEAL_REOPENED"
    GOODWILL = "GOODWILL"
    CANCELLATION = "CANCELLATION"


class CreditNoteStatus(StrEnum):
    """ISSUED has credit left for the customer, APPLIED has none."""

    DRAFT = "DRAFT"
    ISSUED = "ISSUED"
    APPLIED = "APPLIED"


class CreditedLine(Part):
    """How much of an invoice line is to be credited: a quantity, or a net amount."""

    line_id: UUID
    quantity: Decimal | None = Field(default=None, gt=0)
    net: Money | None = None


@dataclass(frozen=True, slots=True)
class LineLeft:
    """What of an invoice line is not credited yet."""

    line: InvoiceLine
    quantity: Decimal
    net: Money
    tax: Money

    def whole(self) -> DocumentLine:
        """Return all that is left."""
        return self._shown(self.quantity, self.net, self.tax)

    def part(self, wanted: CreditedLine) -> DocumentLine:
        """Return the wanted part at the line's own tax rate. INV-7. Raises ExceedsInvoice, Invalid."""
        if (wanted.quantity is None) == (wanted.net is None):
            raise Invalid("Say for each line how much to credit: a quantity or a net amount.", "lines")
        net_total = self.line.net_amount.amount
        if wanted.net is not None:
            share = wanted.net.amount / net_total if net_total else Decimal(0)
            quantity, net = self.line.quantity * share, wanted.net
        else:
            assert wanted.quantity is not None
            quantity = wanted.quantity
            share = quantity / self.line.quantity
            net = self.line.net_amount.times(share)
        if net.amount <= 0 or net.amount > self.net.amount or quantity > self.quantity:
            raise ExceedsInvoice(self.line.description, net, self.net)
        if net == self.net:
            return self.whole()
        tax = min(self.line.tax_amount.times(share), self.tax, key=lambda money: money.amount)
        return self._shown(quantity, net, tax)

    def _shown(self, quantity: Decimal, net: Money, tax: Money) -> DocumentLine:
        shown = self.line.shown()
        step = Decimal("1e-6")
        return shown.model_copy(
            update={"line_key": str(self.line.id), "quantity": quantity.quantize(step), "net": net, "tax": tax}
        )


class CreditNote(Entity):
    """Part or all of an issued invoice, taken back."""

    __unique__ = (("number",), ("source_key",))
    __indexes__ = (("issue_date",),)

    invoice_id: Mapped[Annotated[UUID, Ref("Invoice")]]
    currency: Mapped[str]
    net_total: Mapped[Money]
    tax_total: Mapped[Money]
    gross_total: Mapped[Money]
    number: Mapped[Annotated[str | None, Searchable()]] = default(None)
    customer_id: Mapped[Annotated[UUID | None, Ref("crm.Customer")]] = default(None)
    reason: Mapped[CreditNoteReason] = default(CreditNoteReason.RETURN)
    status: Mapped[CreditNoteStatus] = default(CreditNoteStatus.DRAFT)
    source_key: Mapped[Annotated[str | None, Field(max_length=200)]] = default(None)
    issue_date: Mapped[date | None] = default(None)
    lines: Mapped[tuple[DocumentLine, ...]] = default(())
    tax_summary: Mapped[tuple[TaxSummary, ...]] = default(())

    @classmethod
    def of(cls, invoice: Invoice, reason: CreditNoteReason, source_key: str | None = None) -> "CreditNote":
        """Return a draft without lines. Raises IllegalState for an invoice that was not issued, or stands no longer."""
        if invoice.status not in (*OPEN_STATUSES, InvoiceStatus.PAID):
            raise IllegalState(
                "The invoice {invoice_number} is {status}: nothing can be credited.",
                invoice_number=invoice.number or "",
                status=Phrase(invoice.status.lower()),
            )
        zero = Money.zero(invoice.currency)
        return cls(
            invoice_id=invoice.id,
            customer_id=invoice.customer_id,
            currency=invoice.currency,
            reason=reason,
            source_key=source_key,
            net_total=zero,
            tax_total=zero,
            gross_total=zero,
        )

    def price(self, lines: Sequence[DocumentLine]) -> None:
        """Set lines and totals; the tax summary adds up to them."""
        rates: dict[tuple[str | None, Decimal], list[DocumentLine]] = {}
        for line in lines:
            rates.setdefault((line.tax_code, line.tax_rate_pct or Decimal(0)), []).append(line)
        self.lines = tuple(lines)
        self.tax_summary = tuple(
            TaxSummary(
                tax_code=code,
                rate_pct=rate,
                base=Money.total((line.net for line in group if line.net), self.currency),
                tax=Money.total((line.tax for line in group if line.tax), self.currency),
            )
            for (code, rate), group in rates.items()
        )
        self.net_total = Money.total((one.base for one in self.tax_summary), self.currency)
        self.tax_total = Money.total((one.tax for one in self.tax_summary), self.currency)
        self.gross_total = self.net_total + self.tax_total

    def issue(self, number: str, on: date, invoice: Invoice) -> tuple[CreditNoteIssued, Money]:
        """Become a document and lower the invoice's balance; return the fact and what was freed (INV-7, INV-13).

        Raises ExceedsInvoice, and Invalid where there is nothing to credit.
        """
        if self.gross_total.amount <= 0:
            raise Invalid("There is nothing to credit: name lines, or credit in full.", "lines")
        freed = invoice.credit(self.gross_total)
        self.number, self.issue_date = number, on
        self.status = CreditNoteStatus.ISSUED if freed.amount else CreditNoteStatus.APPLIED
        fact = CreditNoteIssued.of(
            self,
            invoice_source_key=invoice.source_key,
            origin_key=invoice.origin_key,
            exchange_rate=invoice.exchange_rate,
            invoice_net=invoice.net_total,
            fully_credited=invoice.credited_total == invoice.gross_total,
        )
        return fact, freed


def lines_left(lines: Sequence[InvoiceLine], notes: Sequence[CreditNote]) -> dict[UUID, LineLeft]:
    """Return what of each line the issued credit notes leave (INV-7)."""
    left = {line.id: LineLeft(line, line.quantity, line.net_amount, line.tax_amount) for line in lines}
    for note in notes:
        for credited in note.lines:
            line_id = UUID(credited.line_key or "")
            before, net, tax = left[line_id], credited.net, credited.tax
            assert net is not None
            assert tax is not None
            left[line_id] = LineLeft(
                before.line, before.quantity - credited.quantity, before.net - net, before.tax - tax
            )
    return left
