"""Invoicing's commands (tier1.md, 3)."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import delete

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.errors import IllegalState, Invalid
from shared.values import Money
from subgraphs.invoicing import models
from subgraphs.invoicing.events import BillTo, DocumentLine
from subgraphs.invoicing.models import (
    CreditedLine,
    CreditNote,
    CreditNoteReason,
    CreditNoteStatus,
    Invoice,
    InvoicePayment,
    InvoicePaymentMethod,
    InvoiceStatus,
    NumberSeries,
    NumberSeriesDocumentKind,
    PaymentTerm,
    SourceTaken,
    TaxDefault,
    TaxRoundingRule,
    booking,
)


@command("invoicing.invoice.write", queueable="1h")
async def draft_invoice(
    tx: Transaction,
    currency: str,
    lines: tuple[DocumentLine, ...] = (),
    customer_id: UUID | None = None,
    bill_to: BillTo | None = None,
    source_key: str | None = None,
    prices_include_tax: bool = False,
    payment_term: PaymentTerm | None = None,
) -> Invoice:
    """Draft an invoice; each line has the tenant's tax unless it names another."""
    if source_key:
        alive = Invoice.status != InvoiceStatus.VOIDED
        if known := await tx.first_where(Invoice, Invoice.source_key == source_key, alive):
            raise SourceTaken(source_key, known.id)
    invoice = tx.add(
        Invoice.empty(
            currency,
            customer_id=await models.survivor_of(tx, customer_id),
            account_customer_id=await models.survivor_of(tx, customer_id),
            bill_to=bill_to,
            source_key=source_key,
            prices_include_tax=prices_include_tax,
            payment_term=payment_term or PaymentTerm(),
        )
    )
    await models.fill(tx, invoice, lines)
    tx.publish(invoice.drafted())
    return invoice


@command("invoicing.invoice.write")
async def revise_draft_invoice(
    tx: Transaction,
    id: UUID,
    lines: tuple[DocumentLine, ...] | None = None,
    customer_id: UUID | None = None,
    bill_to: BillTo | None = None,
    payment_term: PaymentTerm | None = None,
) -> Invoice:
    """Change a draft; what is left out stays as it is."""
    invoice = await tx.get(Invoice, id)
    invoice.must_be_draft()
    invoice.bill_to = bill_to or invoice.bill_to
    invoice.payment_term = payment_term or invoice.payment_term
    if customer_id:
        invoice.customer_id = invoice.account_customer_id = await models.survivor_of(tx, customer_id)
    if lines is not None:
        await tx.session.execute(delete(models.InvoiceLine).where(models.InvoiceLine.invoice_id == invoice.id))
        await models.fill(tx, invoice, lines)
    return invoice


@command("invoicing.invoice.issue")
async def issue_invoice(tx: Transaction, id: UUID, issue_date: date | None = None) -> Invoice:
    """Give a draft its number; from then on nobody can change it."""
    invoice = await tx.get(Invoice, id)
    await booking.issue(tx, invoice, issue_date or await tx.today())
    return invoice


@command("invoicing.payment.record", queueable="1h")
async def record_invoice_payment(
    tx: Transaction,
    id: UUID,
    amount: Money,
    received_on: date | None = None,
    method: InvoicePaymentMethod = InvoicePaymentMethod.BANK,
    reference: str = "-",
) -> InvoicePayment:
    """Record that money came in for an invoice."""
    if method is InvoicePaymentMethod.WRITE_OFF:
        raise Invalid("A write-off is no payment: use writeOffInvoice.", "method")
    invoice = await tx.get(Invoice, id)
    on = received_on or await tx.today()
    return await booking.receive(tx, invoice, amount, on, method=method, reference=reference)


@command("invoicing.payment.record")
async def reverse_invoice_payment(tx: Transaction, payment_id: UUID, reason: str) -> InvoicePayment:
    """Take a payment back: it bounced, or was disputed."""
    payment = await tx.get(InvoicePayment, payment_id)
    invoice = await tx.follow(Invoice, payment.invoice_id)
    return await booking.take_back(tx, invoice, payment, await tx.today(), reason)


@command("invoicing.invoice.void")
async def void_invoice(tx: Transaction, id: UUID, reason: str) -> Invoice:
    """Declare an invoice void; its number stays used. A draft is discarded."""
    invoice = await tx.get(Invoice, id)
    if invoice.status is InvoiceStatus.DRAFT:
        fact = invoice.discard(await tx.today(), reason)
        if invoice.source_key:
            tx.publish(fact)
        return invoice
    fact = invoice.void(await tx.today(), reason)
    assert invoice.issue_date is not None
    await models.must_be_open(tx, invoice.issue_date)
    tx.publish(fact)
    return invoice


@command("invoicing.credit_note.issue")
async def issue_credit_note(
    tx: Transaction,
    invoice_id: UUID,
    reason: CreditNoteReason = CreditNoteReason.RETURN,
    lines: tuple[CreditedLine, ...] = (),
    full: bool = False,
    issue_date: date | None = None,
) -> CreditNote:
    """Take lines of an invoice back, or all that is left of it."""
    if full == bool(lines):
        raise Invalid("Name the lines to credit, or say `full`: one of the two.", "lines")
    invoice = await tx.get(Invoice, invoice_id)
    return await booking.credit(tx, invoice, reason, None if full else lines, issue_date or await tx.today())


@command("invoicing.credit_note.issue")
async def apply_credit_note(tx: Transaction, id: UUID, invoice_id: UUID) -> CreditNote:
    """Use what a credit note freed to pay another invoice of the customer, as far as it goes."""
    note = await tx.get(CreditNote, id)
    invoice = await tx.get(Invoice, invoice_id)
    credit = await tx.first_where(models.CustomerCredit, models.CustomerCredit.credit_note_id == note.id, lock=True)
    if note.status is not CreditNoteStatus.ISSUED or credit is None:
        raise IllegalState("The credit note {note_number} has no credit left to apply.", note_number=note.number or "")
    if credit.account_customer_id != invoice.account_customer_id:
        raise Invalid("The credit note and the invoice are of two customers.", "invoiceId")
    if credit.remaining.currency != invoice.currency:
        raise models.PaymentCurrencyMismatch(credit.remaining.currency, invoice.currency)
    taken = credit.take(invoice.balance)
    await booking.receive(
        tx,
        invoice,
        taken,
        await tx.today(),
        method=InvoicePaymentMethod.WALLET,
        reference=note.number or "-",
        from_credit=True,
    )
    if not credit.remaining.amount:
        note.status = CreditNoteStatus.APPLIED
    return note


@command("invoicing.invoice.writeoff")
async def write_off_invoice(tx: Transaction, id: UUID, reason: str) -> Invoice:
    """Give up what is open of an invoice."""
    invoice = await tx.get(Invoice, id)
    await booking.write_off(tx, invoice, await tx.today(), reason)
    return invoice


@command("invoicing.invoice.issue")
async def mark_invoice_overdue(tx: Transaction, as_of: date | None = None) -> list[Invoice]:
    """Mark the invoices whose due date has passed, 500 at once; it is done every night, repeats are harmless."""
    return await booking.mark_overdue(tx, as_of or await tx.today())


@command("invoicing.settings.write")
async def set_default_tax(
    tx: Transaction, code: str, rate_pct: Decimal, rounding_rule: TaxRoundingRule = TaxRoundingRule.PER_LINE
) -> TaxDefault:
    """Say which tax lines have unless they name another; drafts made before keep theirs."""
    tax = await tx.ensure(TaxDefault(code=code, rate_pct=rate_pct, rounding_rule=rounding_rule))
    tax.code, tax.rate_pct, tax.rounding_rule = code, rate_pct, rounding_rule
    return tax


@command("invoicing.settings.write")
async def start_number_series(
    tx: Transaction,
    document_kind: NumberSeriesDocumentKind,
    fiscal_year: int,
    prefix: str,
    next_number: int = 1,
    padding: int = 5,
) -> NumberSeries:
    """Continue another system's numbers, before the year's first document is issued here."""
    series = await models.lock_series(tx, document_kind, fiscal_year)
    series.start_at(prefix, next_number, padding)
    return series
