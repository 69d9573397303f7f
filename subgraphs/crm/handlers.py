"""What CRM does when others' facts arrive."""

from shared.database.transaction import Transaction
from shared.events.handler import on
from subgraphs.crm import models
from subgraphs.crm.events import InvoiceOverdue, InvoicePaid


@on("invoice.overdue")
async def flag_customer(tx: Transaction, event: InvoiceOverdue) -> None:
    """Let the salesperson see credit trouble before the next call."""
    customer = event.customer_id and await tx.first_where(
        models.Customer, models.Customer.id == event.customer_id, lock=True
    )
    if not customer:
        return  # a customer that CRM never knew, or a walk-in
    known = models.OverdueInvoice.invoice_id == event.invoice_id
    if await tx.first_where(models.OverdueInvoice, known) is None:
        tx.add(models.OverdueInvoice(customer_id=customer.id, invoice_id=event.invoice_id))
    customer.credit_flag = True


@on("invoice.paid")
async def clear_customer(tx: Transaction, event: InvoicePaid) -> None:
    """Clear the flag when no overdue invoice is left."""
    overdue = await tx.first_where(models.OverdueInvoice, models.OverdueInvoice.invoice_id == event.invoice_id)
    if overdue is None:
        return
    customer = await tx.get(models.Customer, overdue.customer_id)
    await tx.session.delete(overdue)
    await tx.session.flush()
    left = await tx.first_where(models.OverdueInvoice, models.OverdueInvoice.customer_id == customer.id)
    customer.credit_flag = left is not None
