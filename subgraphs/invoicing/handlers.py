"""What Invoicing does when others' facts arrive."""

from shared.database.transaction import Transaction
from shared.events.handler import on
from subgraphs.invoicing import models
from subgraphs.invoicing.events import BillTo, DealCloseWon, DealReopened, DocumentLine
from subgraphs.invoicing.models import Invoice, InvoiceStatus


@on("deal.close.won")
async def draft_from_deal(tx: Transaction, event: DealCloseWon) -> None:
    """Draft one invoice per deal and closing: its lines, or one line with the deal's title (INV-8, INV-11)."""
    closing = await models.lock_closing(tx, event.deal_id, event.closing_no)
    if closing.reopened or await models.is_billed(tx, closing):
        return
    invoice = tx.add(
        Invoice.empty(
            event.amount.currency,
            customer_id=event.customer_id,
            account_customer_id=event.customer_id,
            deal_id=event.deal_id,
            source_key=closing.key,
            origin_key=closing.key,
            bill_to=BillTo(
                name=event.customer_name, tax_number=event.customer_tax_number, address=event.billing_address
            ),
        )
    )
    await models.fill(tx, invoice, event.lines or (DocumentLine(description=event.title, unit_price=event.amount),))
    tx.publish(invoice.drafted())


@on("deal.reopened")
async def undo_deal(tx: Transaction, event: DealReopened) -> None:
    """Discard the draft of an undone closing (INV-11, CRM-3)."""
    if event.previous_status != "WON":
        return
    closing = await models.lock_closing(tx, event.deal_id, event.closing_no)
    closing.reopened = True
    invoice = await tx.first_where(
        Invoice, Invoice.source_key == closing.key, Invoice.status != InvoiceStatus.VOIDED, lock=True
    )
    if invoice is not None and invoice.status is InvoiceStatus.DRAFT:
        tx.publish(invoice.discard(await tx.today(), "The deal was reopened."))
