"""What time alone brings about, for one tenant: a scheduler calls these every 30 seconds (SUP-5, SUP-6)."""

from sqlalchemy import select

from shared.database.transaction import Transaction
from subgraphs.support.models.desk import take
from subgraphs.support.models.sla import SlaTimer, SlaTimerStatus
from subgraphs.support.models.tickets import SILENCE, Ticket, TicketStatus

_AT_ONCE = 200


async def sweep_breaches(tx: Transaction) -> int:
    """Record the timers that ran out, each once, with its real due time; return how many tickets had one (SUP-5).

    At most 200 tickets a call, the longest overdue first; those that someone is working on wait for the next call.
    """
    overdue = (
        select(SlaTimer.ticket_id)
        .where(SlaTimer.status == SlaTimerStatus.RUNNING, SlaTimer.due_at < tx.now())
        .order_by(SlaTimer.due_at)
        .limit(_AT_ONCE)
    )
    ids = set((await tx.session.scalars(overdue)).all())
    free = select(Ticket.id).where(Ticket.id.in_(ids)).order_by(Ticket.id).with_for_update(skip_locked=True)
    found = (await tx.session.scalars(free)).all()
    for ticket_id in found:
        await take(tx, ticket_id)
    return len(found)


async def close_silent_tickets(tx: Transaction) -> int:
    """Close the resolved tickets on which nothing was said for 72 hours; return how many (SUP-6)."""
    before = tx.now() - SILENCE
    silent = (
        select(Ticket)
        .where(Ticket.status == TicketStatus.RESOLVED, Ticket.resolved_at < before, Ticket.last_message_at < before)
        .order_by(Ticket.id)
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    tickets = await tx.all(silent)
    tx.publish(*(ticket.close(tx.now()) for ticket in tickets))
    return len(tickets)
