"""What HR does when others' facts arrive (it keeps the fact, then brings commissions in line with it), and every night."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select

from shared.database.transaction import Transaction
from shared.events.handler import on
from shared.events.schedule import cron
from subgraphs.hr import models
from subgraphs.hr.events import (
    CreditNoteIssued,
    DealCloseWon,
    DealReopened,
    ExchangeRateUpdated,
    InvoiceIssued,
    InvoicePaid,
    InvoicePaymentRecorded,
    InvoiceRefunded,
    InvoiceVoided,
    PayrollRunPaid,
    UserActivated,
    UserDeactivated,
)
from subgraphs.hr.models import (
    CommissionEntry,
    CommissionEntryStatus,
    CreditFact,
    DayRate,
    DealClosing,
    Employee,
    InvoiceFact,
    PaymentFact,
    UserLogin,
    WonDeal,
)


@on("deal.close.won")
async def accrue(tx: Transaction, event: DealCloseWon) -> None:
    """Accrue commission under the plan valid on the closing date, once per closing (HR-7, HR-8, HR-10)."""
    closing = await _closing(tx, event)
    if closing.won is not None or closing.reopened_on is not None:
        return
    won = WonDeal(
        shares=models.shares_of(event.salesperson_id, event.sales_team),
        amount=event.amount,
        margin=event.margin_amount,
        units=sum((line.quantity for line in event.lines), Decimal(0)),
        closed_on=event.closed_on,
        closed_at=event.closed_at,
    )
    await models.expect(tx, closing, won)
    await models.reckon(tx, closing)


@on("deal.reopened")
async def take_back(tx: Transaction, event: DealReopened) -> None:
    """Reverse what an undone closing accrued, or claw it back once approved (HR-9, CRM-3)."""
    if event.previous_status != "WON":
        return
    closing = await _closing(tx, event)
    if closing.reopened_on is None:
        closing.reopened_on = await tx.today()
        await models.reckon(tx, closing)


@on("invoice.issued")
async def note_issued(tx: Transaction, event: InvoiceIssued) -> None:
    """Release commissions whose plan triggers on invoicing (HR-12)."""
    fact = await tx.ensure(InvoiceFact(invoice_id=event.invoice_id), "invoice_id")
    fact.origin_key, fact.net, fact.gross = event.origin_key, event.net_total, event.gross_total
    fact.issued_on = event.issue_date
    await _reckon(tx, event.origin_key)


@on("invoice.paid")
async def note_paid(tx: Transaction, event: InvoicePaid) -> None:
    """Release commissions whose plan triggers on collection (HR-12)."""
    fact = await tx.ensure(InvoiceFact(invoice_id=event.invoice_id), "invoice_id")
    fact.origin_key, fact.net, fact.gross = event.origin_key, event.net_total, event.gross_total
    fact.paid_on = fact.paid_on or event.paid_on
    await _reckon(tx, event.origin_key)


@on("invoice.voided")
async def note_voided(tx: Transaction, event: InvoiceVoided) -> None:
    """Take back commission that the voided invoice released; a discarded draft released none (HR-12)."""
    if event.number is None:
        return
    fact = await tx.ensure(InvoiceFact(invoice_id=event.invoice_id), "invoice_id")
    fact.voided = True
    await _reckon(tx, event.origin_key)


@on("invoice.payment.recorded")
async def note_payment(tx: Transaction, event: InvoicePaymentRecorded) -> None:
    """Count what was collected; a payment taken back takes collection commission with it (HR-12, INV-17)."""
    if event.invoice_id is None:
        return
    # Locked first: its invoice and its payments, told at the same moment, see each other.
    fact = await tx.ensure(InvoiceFact(invoice_id=event.invoice_id), "invoice_id")
    row = PaymentFact(
        payment_id=event.invoice_payment_id,
        invoice_id=event.invoice_id,
        amount=event.amount,
        written_off=event.method == "WRITE_OFF",
    )
    await tx.ensure(row, "payment_id")
    await _reckon(tx, fact.origin_key)


@on("credit_note.issued")
async def note_credit(tx: Transaction, event: CreditNoteIssued) -> None:
    """Scale the accrual or claw back, in proportion to the credited net, within the window (HR-9, HR-13)."""
    row = CreditFact(
        cause=f"credit_note:{event.credit_note_id}",
        origin_key=event.origin_key,
        invoice_id=event.invoice_id,
        net=event.net_total,
        gross=event.gross_total,
        credited_on=event.issue_date,
    )
    await tx.ensure(row, "cause")
    await _reckon(tx, event.origin_key)


@on("invoice.refunded")
async def note_refund(tx: Transaction, event: InvoiceRefunded) -> None:
    """Count the refunded net beyond what credit notes have counted already (HR-13)."""
    row = CreditFact(
        cause=f"refund:{event.refund_id}",
        origin_key=event.origin_key,
        invoice_id=event.invoice_id,
        net=event.refunded_net,
        gross=event.refunded_gross,
        credited_on=event.refunded_on,
        is_refund=True,
    )
    await tx.ensure(row, "cause")
    await _reckon(tx, event.origin_key)


@on("exchange_rate.updated")
async def keep_rate(tx: Transaction, event: ExchangeRateUpdated) -> None:
    """Keep the rate of each day for plans in another currency (HR-11)."""
    letters = "".join(letter for letter in event.pair.upper() if letter.isalpha())
    if event.kind != "SPOT" or len(letters) != 6:
        return
    row = DayRate(base=letters[:3], quote=letters[3:], rate_date=event.rate_date, rate=event.rate)
    (await tx.ensure(row, "base", "quote", "rate_date")).rate = event.rate


@on("user.activated", keeps=True)
async def link_user(tx: Transaction, event: UserActivated) -> None:
    """Link the user account to the employee with the same work e-mail."""
    login = await tx.ensure(UserLogin(user_id=event.user_id, email=event.email.lower()), "user_id")
    login.email = event.email.lower()
    same = func.lower(Employee.work_email) == login.email
    if person := await tx.first_where(Employee, same, Employee.user_id.is_(None), lock=True):
        person.user_id = event.user_id


@on("user.deactivated", keeps=True)
async def unlink_user(tx: Transaction, event: UserDeactivated) -> None:
    """Clear the link to the user account."""
    if login := await tx.first_where(UserLogin, UserLogin.user_id == event.user_id, lock=True):
        await tx.session.delete(login)
    if person := await tx.first_where(Employee, Employee.user_id == event.user_id, lock=True):
        person.user_id = None


@on("payroll.run.paid")
async def mark_paid(tx: Transaction, event: PayrollRunPaid) -> None:
    """Mark the commissions that a payroll run settled (HR-14)."""
    keys = [key.removeprefix("commission:") for key in event.settled_input_keys if key.startswith("commission:")]
    approved = CommissionEntry.status == CommissionEntryStatus.APPROVED
    statement = select(CommissionEntry).where(CommissionEntry.id.in_([UUID(key) for key in keys]), approved)
    for entry in await tx.all(statement.with_for_update()):
        entry.status = CommissionEntryStatus.PAID


@cron("10 0 * * *")
async def turn_day(tx: Transaction) -> None:
    """Let leave begin and end, and people leave the day after their last."""
    await models.absence.turn_day(tx, await tx.today())


@cron("20 0 1 * *")
async def accrue_last_month(tx: Transaction) -> None:
    """Book the leave earned in the month that ended (HR-3)."""
    await models.absence.accrue_month(tx, (await tx.today()).replace(day=1) - timedelta(days=1))


async def _closing(tx: Transaction, event: DealCloseWon | DealReopened) -> DealClosing:
    row = DealClosing(deal_id=event.deal_id, closing_no=event.closing_no)
    return await tx.ensure(row, "deal_id", "closing_no")


async def _reckon(tx: Transaction, origin_key: str | None) -> None:
    await tx.session.flush()
    for closing in await models.closings_of(tx, origin_key):
        await models.reckon(tx, closing)
