"""What Invoicing does when others' facts arrive, and every night."""

from sqlalchemy import select

from shared.database.transaction import Transaction
from shared.events.handler import on
from shared.events.schedule import cron
from subgraphs.invoicing import models
from subgraphs.invoicing.events import (
    BillableBatchReady,
    BillTo,
    CustomerMerged,
    CustomerUpdated,
    DealCloseWon,
    DealReopened,
    DocumentLine,
    ExchangeRateUpdated,
    FiscalPeriodClosed,
    FiscalPeriodReopened,
    TaxRateChanged,
)
from subgraphs.invoicing.models import CreditNoteReason, Invoice, InvoiceStatus, booking


@on("deal.close.won")
async def draft_from_deal(tx: Transaction, event: DealCloseWon) -> None:
    """Draft one invoice per deal and closing: its lines, or one line with the deal's title (INV-8, INV-11)."""
    closing = await models.lock_closing(tx, event.deal_id, event.closing_no)
    if closing.reopened or await models.is_billed(tx, closing):
        return
    invoice = tx.add(
        Invoice.empty(
            event.amount.currency,
            customer_id=await models.survivor_of(tx, event.customer_id),
            account_customer_id=await models.survivor_of(tx, event.customer_id),
            deal_id=event.deal_id,
            source_key=closing.key,
            origin_key=closing.key,
            bill_to=BillTo(
                name=event.customer_name, tax_number=event.customer_tax_number, address=event.billing_address
            ),
        )
    )
    lines = event.lines or (DocumentLine(description=event.title, unit_price=event.amount),)
    await models.fill(tx, invoice, lines)
    tx.publish(invoice.drafted())


@on("deal.reopened")
async def undo_deal(tx: Transaction, event: DealReopened) -> None:
    """Discard the draft of an undone closing; of an issued invoice a credit note waits for review (INV-11, CRM-3)."""
    if event.previous_status != "WON":
        return
    closing = await models.lock_closing(tx, event.deal_id, event.closing_no)
    closing.reopened = True
    invoice = await tx.first_where(
        Invoice, Invoice.source_key == closing.key, Invoice.status != InvoiceStatus.VOIDED, lock=True
    )
    if invoice is None or invoice.status is InvoiceStatus.CREDITED:
        return
    if invoice.status is InvoiceStatus.DRAFT:
        tx.publish(invoice.discard(await tx.today(), "The deal was reopened."))
    else:
        await booking.draft_credit(tx, invoice, CreditNoteReason.DEAL_REOPENED, f"{closing.key}:reopened")


@on("billable.batch.ready")
async def draft_from_batch(tx: Transaction, event: BillableBatchReady) -> None:
    """Draft the invoice of a billable fact, once per source; it takes the place of the deal's own draft (INV-11)."""
    await models.draft_billable(tx, event)


@on("customer.updated", keeps=True)
async def refresh_drafts(tx: Transaction, event: CustomerUpdated) -> None:
    """Refresh billing details on drafts; issued invoices keep their snapshot (INV-2)."""
    drafts = select(Invoice).where(
        Invoice.account_customer_id == event.customer_id, Invoice.status == InvoiceStatus.DRAFT
    )
    for invoice in await tx.all(drafts.limit(1000).with_for_update()):
        invoice.bill_to = BillTo(name=event.name, tax_number=event.tax_number, address=event.address)


@on("customer.merged", keeps=True)
async def merge_customers(tx: Transaction, event: CustomerMerged) -> None:
    """Read both customers' documents under the survivor."""
    await models.merge(tx, event.survivor_id, event.merged_id)


@on("exchange_rate.updated")
async def keep_rate(tx: Transaction, event: ExchangeRateUpdated) -> None:
    """Keep the rate of each day for documents in foreign currency (INV-9)."""
    pair = models.split_pair(event.pair)
    if event.kind != "SPOT" or pair is None:
        return
    row = models.DayRate(base=pair[0], quote=pair[1], rate_date=event.rate_date, rate=event.rate)
    (await tx.ensure(row, "base", "quote", "rate_date")).rate = event.rate


@on("tax_rate.changed", keeps=True)
async def keep_tax_rate(tx: Transaction, event: TaxRateChanged) -> None:
    """Keep the rates, their validity and rounding rule per tax code; drafts made before keep theirs (INV-3)."""
    row = models.KnownTaxRate(
        tax_code_id=event.tax_code_id,
        code=event.tax_code,
        rate_pct=event.rate_pct,
        valid_from=event.valid_from,
        rounding_rule=models.TaxRoundingRule(event.rounding_rule),
    )
    kept = await tx.ensure(row, "tax_code_id", "valid_from")
    kept.rate_pct, kept.rounding_rule = row.rate_pct, row.rounding_rule


@on("fiscal_period.closed")
async def close_period(tx: Transaction, event: FiscalPeriodClosed) -> None:
    """Refuse voiding and back-dating into the closed period (INV-6)."""
    row = models.ClosedPeriod(fiscal_period_id=event.fiscal_period_id, starts_on=event.starts_on, ends_on=event.ends_on)
    await tx.ensure(row, "fiscal_period_id")


@on("fiscal_period.reopened")
async def reopen_period(tx: Transaction, event: FiscalPeriodReopened) -> None:
    """Allow voiding in the reopened period again."""
    known = models.ClosedPeriod.fiscal_period_id == event.fiscal_period_id
    if period := await tx.first_where(models.ClosedPeriod, known, lock=True):
        await tx.session.delete(period)


@cron("5 0 * * *")
async def mark_overdue(tx: Transaction) -> None:
    """Mark what was due yesterday or before, at 00:05 in the tenant's zone (INV-5)."""
    while await booking.mark_overdue(tx, await tx.today()):
        await tx.session.flush()
