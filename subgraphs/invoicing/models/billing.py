"""Billable facts of other modules become drafts, and never bill what a deal's own draft has billed (INV-8, INV-11)."""

from collections.abc import Sequence

from sqlalchemy import func, or_, select

from shared.database.transaction import Transaction
from shared.values import Money
from subgraphs.invoicing.events import BillableBatchReady, BillTo, DocumentLine
from subgraphs.invoicing.models.closing import lock_closing, split_closing
from subgraphs.invoicing.models.drafting import fill, lines_of
from subgraphs.invoicing.models.invoice import Invoice, InvoiceLine, InvoiceStatus
from subgraphs.invoicing.models.replicas import survivor_of


async def draft_billable(tx: Transaction, fact: BillableBatchReady) -> None:
    """Draft the invoice of a billable fact, once per source.

    A draft made straight from the same deal is discarded; if that was issued already, what it billed is taken off here,
    to 0 at most, and the rest from the next.
    """
    if await tx.first_where(Invoice, Invoice.source_key == fact.source_key):
        return
    if closing := split_closing(fact.origin_key):
        await lock_closing(tx, *closing)  # the deal's own draft, told at the same moment, waits and sees this one
    customer_id = await survivor_of(tx, fact.customer_id)
    billed = await _set_deal_draft_aside(tx, fact.origin_key)
    invoice = tx.add(
        Invoice.empty(
            fact.currency,
            customer_id=customer_id,
            account_customer_id=customer_id,
            deal_id=billed.deal_id if billed else None,
            source_key=fact.source_key,
            origin_key=fact.origin_key,
            bill_to=BillTo(name=fact.customer_name) if fact.customer_name else None,
        )
    )
    taken_off = await _taken_off(tx, billed, fact.lines) if billed and billed.currency == fact.currency else ()
    await fill(tx, invoice, (*fact.lines, *taken_off))
    tx.publish(invoice.drafted())


async def _set_deal_draft_aside(tx: Transaction, origin_key: str | None) -> Invoice | None:
    """Discard the draft made straight from a deal; return the invoice instead where it was issued already."""
    if origin_key is None:
        return None
    mine = or_(Invoice.source_key == origin_key, Invoice.source_key.startswith(f"{origin_key}:"))
    made_from_deal = Invoice.source_key == Invoice.origin_key
    found = await tx.first_where(Invoice, mine, made_from_deal, Invoice.status != InvoiceStatus.VOIDED, lock=True)
    if found is None or found.status is not InvoiceStatus.DRAFT:
        return found
    tx.publish(found.discard(await tx.today(), "Another document bills the deal."))
    return None


async def _taken_off(tx: Transaction, billed: Invoice, lines: Sequence[DocumentLine]) -> list[DocumentLine]:
    """Return the line that takes off what the deal's own invoice billed, less what was taken off elsewhere before."""
    key = f"billed:{billed.id}"
    net = InvoiceLine.__table__.c.net_amount_amount
    before = (
        select(func.coalesce(func.sum(net), 0))
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(InvoiceLine.line_key == key, Invoice.status != InvoiceStatus.VOIDED)
    )
    left = billed.net_total + Money((await tx.session.execute(before)).scalar_one(), billed.currency)
    here = Money.total((line.extended for line in lines), billed.currency)
    off = min(left, here, key=lambda money: money.amount)
    if off.amount <= 0:
        return []
    first = (await lines_of(tx, billed.id))[0]
    return [
        DocumentLine(
            line_key=key,
            description=f"Already invoiced 已开票: {billed.number}",
            unit_price=-off,
            tax_code=first.tax_code,
            tax_rate_pct=first.tax_rate_pct,
        )
    ]
