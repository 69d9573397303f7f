"""Steps that take more than one row: issue, receive, credit, take back. Each publishes its facts."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy import select

from shared.database.transaction import Transaction
from shared.errors import Invalid
from shared.values import Money
from subgraphs.invoicing.events import DocumentLine
from subgraphs.invoicing.models.credit_note import (
    CreditedLine,
    CreditNote,
    CreditNoteReason,
    CreditNoteStatus,
    lines_left,
)
from subgraphs.invoicing.models.drafting import lines_of
from subgraphs.invoicing.models.invoice import Invoice, InvoiceLine, InvoiceStatus
from subgraphs.invoicing.models.payment import CustomerCredit, InvoicePayment, InvoicePaymentMethod, check_payment
from subgraphs.invoicing.models.replicas import must_be_open, rate_on
from subgraphs.invoicing.models.series import NumberSeriesDocumentKind, lock_series

_OVERDUE_AT_ONCE = 500


async def issue(tx: Transaction, invoice: Invoice, on: date) -> None:
    """Issue a draft: the next number of its year, taken in this transaction (INV-1, INV-9, INV-10).

    Raises what Invoice.issue raises, DateBeforeLast, RateMissing, PeriodClosed.
    """
    lines = await lines_of(tx, invoice.id)
    invoice.must_be_issuable(lines)  # before the series is locked: a refusal holds up nobody
    await must_be_open(tx, on)
    rate = await rate_on(tx, invoice.currency, on)
    series = await lock_series(tx, NumberSeriesDocumentKind.INVOICE, on.year)
    tx.publish(invoice.issue(series.take(on), on, rate, lines))
    if invoice.gross_total.amount == 0 and (paid := invoice.settle(on)):
        tx.publish(paid)


async def receive(
    tx: Transaction,
    invoice: Invoice,
    amount: Money,
    on: date,
    *,
    method: InvoicePaymentMethod,
    reference: str,
    from_credit: bool = False,
) -> InvoicePayment:
    """Record a payment; what was written off before is taken back first. INV-4, INV-5, INV-16, INV-17.

    Raises what `check_payment` raises.
    """
    if invoice.written_off.amount:
        await _take_write_off_back(tx, invoice, on)
    check_payment(invoice, amount)
    payment = await _pay(tx, invoice, amount, on, method, reference, from_credit=from_credit)
    await _grant_discount(tx, invoice, on)
    await settle(tx, invoice, on)
    return payment


async def write_off(tx: Transaction, invoice: Invoice, on: date, reason: str) -> InvoicePayment:
    """Give up what is open of an invoice: settled, but nothing was collected (INV-17)."""
    check_payment(invoice, invoice.balance)
    payment = await _pay(tx, invoice, invoice.balance, on, InvoicePaymentMethod.WRITE_OFF, reason)
    await settle(tx, invoice, on)
    return payment


async def take_back(
    tx: Transaction, invoice: Invoice, payment: InvoicePayment, on: date, reason: str
) -> InvoicePayment:
    """Take a payment back by a negative row; what of it was freed as customer credit goes first (INV-13, INV-14)."""
    opposite = tx.add(payment.opposite(on, reason))
    back = payment.amount
    statement = select(CustomerCredit).where(CustomerCredit.invoice_id == invoice.id).with_for_update()
    for credit in await tx.all(statement):
        back = back - credit.take(back)
        await _close_note(tx, credit)
    invoice.receive(-back, written_off=payment.method is InvoicePaymentMethod.WRITE_OFF)
    await settle(tx, invoice, on)
    tx.publish(opposite.recorded(invoice))
    return opposite


async def credit(
    tx: Transaction, invoice: Invoice, reason: CreditNoteReason, wanted: Sequence[CreditedLine] | None, on: date
) -> CreditNote:
    """Issue a credit note for lines, or for all that is left (None). A waiting draft of the same reason becomes it.

    INV-1, INV-7, INV-13. Raises ExceedsInvoice, Invalid, IllegalState, DateBeforeLast, PeriodClosed.
    """
    waiting = await tx.first_where(
        CreditNote,
        CreditNote.invoice_id == invoice.id,
        CreditNote.reason == reason,
        CreditNote.status == CreditNoteStatus.DRAFT,
        lock=True,
    )
    note = waiting or tx.add(CreditNote.of(invoice, reason))
    note.price(await _lines_to_credit(tx, invoice, wanted))
    await issue_credit(tx, invoice, note, on)
    return note


async def issue_credit(tx: Transaction, invoice: Invoice, note: CreditNote, on: date) -> None:
    """Give a priced credit note its number and effect. See `credit`."""
    await must_be_open(tx, on)
    if invoice.issue_date and on < invoice.issue_date:
        raise Invalid(
            "The invoice was issued on {issue_date}: a credit note can't be earlier.",
            "issueDate",
            issue_date=invoice.issue_date,
        )
    series = await lock_series(tx, NumberSeriesDocumentKind.CREDIT_NOTE, on.year)
    fact, freed = note.issue(series.take(on), on, invoice)
    tx.publish(fact)
    if freed.amount:
        tx.add(
            CustomerCredit(
                source_key=f"credit_note:{note.id}",
                account_customer_id=invoice.account_customer_id,
                invoice_id=invoice.id,
                credit_note_id=note.id,
                amount=freed,
                remaining=freed,
            )
        )
    await settle(tx, invoice, on)


async def draft_credit(tx: Transaction, invoice: Invoice, reason: CreditNoteReason, source_key: str) -> None:
    """Prepare a credit note for all that is left of an invoice; it is never issued by itself."""
    lines = await _lines_to_credit(tx, invoice, None)
    known = await tx.first_where(CreditNote, CreditNote.source_key == source_key)
    if lines and known is None:
        tx.add(CreditNote.of(invoice, reason, source_key)).price(lines)


async def settle(tx: Transaction, invoice: Invoice, on: date) -> None:
    """Derive an invoice's status, and publish that it is paid where it just became so (INV-5)."""
    if paid := invoice.settle(max(on, await tx.today())):
        tx.publish(paid.model_copy(update={"paid_on": on}))


async def mark_overdue(tx: Transaction, as_of: date) -> list[Invoice]:
    """Mark invoices whose due date has passed, 500 at once, those that are due longest first (INV-5)."""
    waiting = Invoice.status.in_((InvoiceStatus.ISSUED, InvoiceStatus.PARTLY_PAID))
    statement = select(Invoice).where(waiting, Invoice.due_date < as_of).order_by(Invoice.due_date, Invoice.id)
    found = await tx.all(statement.limit(_OVERDUE_AT_ONCE).with_for_update(skip_locked=True))
    tx.publish(*(fact for invoice in found if (fact := invoice.mark_overdue(as_of))))
    return list(found)


async def _pay(
    tx: Transaction,
    invoice: Invoice,
    amount: Money,
    on: date,
    method: InvoicePaymentMethod,
    reference: str,
    *,
    from_credit: bool = False,
) -> InvoicePayment:
    payment = tx.add(
        InvoicePayment(
            reference=reference,
            invoice_id=invoice.id,
            method=method,
            amount=amount,
            received_on=on,
            exchange_rate=await rate_on(tx, invoice.currency, on),
            from_credit=from_credit,
        )
    )
    invoice.receive(amount, written_off=method is InvoicePaymentMethod.WRITE_OFF)
    tx.publish(payment.recorded(invoice))
    return payment


async def _close_note(tx: Transaction, credit: CustomerCredit) -> None:
    """Mark a credit note as applied once nothing of what it freed is left."""
    note = await tx.first_where(CreditNote, CreditNote.id == credit.credit_note_id, lock=True)
    if note is not None and not credit.remaining.amount:
        note.status = CreditNoteStatus.APPLIED


async def _take_write_off_back(tx: Transaction, invoice: Invoice, on: date) -> None:
    statement = select(InvoicePayment).where(
        InvoicePayment.invoice_id == invoice.id,
        InvoicePayment.method == InvoicePaymentMethod.WRITE_OFF,
        InvoicePayment.reversed.is_(False),
        InvoicePayment.reverses_id.is_(None),
    )
    for payment in await tx.all(statement.with_for_update()):
        await take_back(tx, invoice, payment, on, "Paid after all")


async def _grant_discount(tx: Transaction, invoice: Invoice, on: date) -> None:
    """Credit the rest of an invoice that was paid early enough for the discount (INV-16)."""
    term = invoice.payment_term
    if term.discount_pct is None or term.discount_days is None or invoice.issue_date is None:
        return
    balance = invoice.balance
    if on > invoice.issue_date + timedelta(days=term.discount_days) or balance.amount <= 0:
        return
    if invoice.paid_total.amount < (invoice.gross_total - invoice.gross_total.percent(term.discount_pct)).amount:
        return
    share = balance.amount / invoice.gross_total.amount
    note = tx.add(CreditNote.of(invoice, CreditNoteReason.GOODWILL))
    note.price(_in_proportion(await lines_of(tx, invoice.id), share, balance))
    await issue_credit(tx, invoice, note, max(on, await tx.today()))


def _in_proportion(lines: Sequence[InvoiceLine], share: Decimal, gross: Money) -> list[DocumentLine]:
    """Return a share of each line; the last takes the rounding rest so that the whole is `gross`."""
    shown: list[DocumentLine] = []
    left = gross
    for at, line in enumerate(lines):
        tax = line.tax_amount.times(share)
        net = left - tax if at == len(lines) - 1 else line.net_amount.times(share)
        left = left - net - tax
        update = {"line_key": str(line.id), "quantity": Decimal(0), "net": net, "tax": tax}
        shown.append(line.shown().model_copy(update=update))
    return shown


async def _lines_to_credit(
    tx: Transaction, invoice: Invoice, wanted: Sequence[CreditedLine] | None
) -> list[DocumentLine]:
    issued = select(CreditNote).where(CreditNote.invoice_id == invoice.id, CreditNote.status != CreditNoteStatus.DRAFT)
    left = lines_left(await lines_of(tx, invoice.id), await tx.all(issued))
    if wanted is None:
        return [one.whole() for one in left.values() if one.net.amount or one.tax.amount]
    if unknown := [one.line_id for one in wanted if one.line_id not in left]:
        raise Invalid("The invoice has no line {unknown}.", "lines", unknown=unknown[0])
    return [left[one.line_id].part(one) for one in wanted]
