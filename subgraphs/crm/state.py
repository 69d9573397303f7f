"""What CRM tells of its rows to modules that came after their events."""

from collections.abc import Sequence

from sqlalchemy import select

from shared.database.transaction import Transaction
from shared.events.state import state_of
from shared.wire.envelope import Event
from subgraphs.crm.events import CustomerCreated, CustomerMerged, CustomerUpdated
from subgraphs.crm.models import Customer


@state_of(Customer, CustomerCreated, CustomerUpdated, CustomerMerged)
async def tell_customers(tx: Transaction, rows: Sequence[Customer]) -> list[Event]:
    """Who they are, and who was merged into them."""
    told: list[Event] = []
    for customer in rows:
        told += [CustomerCreated.of(customer, address=customer.billing_address), customer.updated()]
    survivors = Customer.survivor_id.in_([customer.id for customer in rows])
    merged = await tx.session.execute(select(Customer.survivor_id, Customer.id).where(survivors))
    return [*told, *(CustomerMerged(survivor_id=stays, merged_id=gone) for stays, gone in merged if stays)]
