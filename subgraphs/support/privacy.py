"""What tells of a person in Support beyond the columns that say so: what they wrote."""

from collections.abc import Sequence

from sqlalchemy import func, or_, select

from shared.database.personal import Person, Telling, tells_of_person
from shared.database.transaction import Transaction
from subgraphs.support.models.tickets import Ticket, TicketMessage, TicketMessageAuthorKind


@tells_of_person
async def messages(tx: Transaction, person: Person) -> Sequence[Telling]:
    """Return what a person wrote on their tickets, and the tickets' titles."""
    theirs = or_(Ticket.contact_id.in_(person.ids), func.lower(Ticket.requester_email).in_(person.emails))
    tickets = await tx.all(select(Ticket).where(theirs))
    written = TicketMessage.author_kind == TicketMessageAuthorKind.CUSTOMER
    of_them = TicketMessage.ticket_id.in_([ticket.id for ticket in tickets])
    rows = await tx.all(select(TicketMessage).where(of_them, written))
    return [*((ticket, ("title",)) for ticket in tickets), *((row, ("body",)) for row in rows)]
