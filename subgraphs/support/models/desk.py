"""Where tickets are opened, read with their timers, and messages put on them: what commands and handlers share."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from shared.database import alias
from shared.database.transaction import Transaction
from shared.wire.envelope import Event
from subgraphs.support.events import TicketReplied
from subgraphs.support.models.sla import SlaPolicy, SlaPolicyPriority, SlaTimer
from subgraphs.support.models.teams import SupportTeam, SupportTeamRouting
from subgraphs.support.models.tickets import (
    CustomerAlias,
    Ticket,
    TicketChannel,
    TicketCounter,
    TicketMessage,
    TicketMessageAuthorKind,
    TicketPriority,
    TicketStatus,
)

Case = tuple[Ticket, Sequence[SlaTimer]]
DONE = (TicketStatus.RESOLVED, TicketStatus.CLOSED)


async def take(tx: Transaction, ticket_id: UUID) -> Case:
    """Return a ticket, locked, with its timers; what ran out before now is recorded first (SUP-5). Raises NotFound."""
    ticket = await tx.get(Ticket, ticket_id)
    timers = await timers_of(tx, ticket)
    tx.publish(*ticket.expire(timers, tx.now()))
    return ticket, timers


async def timers_of(tx: Transaction, ticket: Ticket) -> Sequence[SlaTimer]:
    """Return a ticket's timers, oldest first."""
    return await tx.all(select(SlaTimer).where(SlaTimer.ticket_id == ticket.id).order_by(SlaTimer.id).limit(200))


async def open_ticket(
    tx: Transaction,
    title: str,
    body: str,
    channel: TicketChannel,
    *,
    priority: TicketPriority = TicketPriority.NORMAL,
    customer_id: UUID | None = None,
    contact_id: UUID | None = None,
    email: str | None = None,
    source_key: str | None = None,
    message_key: str | None = None,
    follow_up_of: Ticket | None = None,
    author: TicketMessageAuthorKind = TicketMessageAuthorKind.CUSTOMER,
    attachments: Sequence[UUID] = (),
) -> Ticket:
    """Open a ticket with its first message and the timers its priority promises (SUP-1, SUP-2).

    `source_key` is the business key of the fact behind it: what has one already is returned as it is.
    """
    if source_key and (known := await tx.first_where(Ticket, Ticket.source_key == source_key)):
        return known
    now = tx.now()
    ticket = tx.add(
        Ticket(
            number=await _next_number(tx),
            title=title[:300],
            channel=channel,
            priority=priority,
            customer_id=await survivor_of(tx, customer_id),
            contact_id=contact_id,
            requester_email=email.lower() if email else None,
            opened_at=now,
            last_message_at=now,
            source_key=source_key,
            follow_up_of_id=follow_up_of.id if follow_up_of else None,
        )
    )
    add_message(tx, ticket, body, author, source_key=message_key, attachments=attachments)
    tx.publish(ticket.opened(body))
    await promise(tx, ticket, ())
    return ticket


async def promise(tx: Transaction, ticket: Ticket, timers: Sequence[SlaTimer]) -> None:
    """Start the timers of the policy that holds for the ticket's priority; `timers` are those it has (SUP-2)."""
    wanted = SlaPolicyPriority(ticket.priority.value)
    policy = await tx.first_where(SlaPolicy, SlaPolicy.priority == wanted, SlaPolicy.active)
    for timer in ticket.promise(policy and policy.terms(), policy and policy.id, timers):
        tx.add(timer)


def add_message(
    tx: Transaction,
    ticket: Ticket,
    body: str,
    author: TicketMessageAuthorKind,
    *,
    internal: bool = False,
    source_key: str | None = None,
    attachments: Sequence[UUID] = (),
) -> TicketMessage:
    """Append a message to a ticket's thread (SUP-7)."""
    return tx.add(
        TicketMessage(
            body=body,
            ticket_id=ticket.id,
            author_kind=author,
            author_user_id=tx.principal.user if author is not TicketMessageAuthorKind.SYSTEM else None,
            internal_note=internal,
            sent_at=tx.now(),
            source_key=source_key,
            attachment_ids=tuple(attachments),
        )
    )


async def reply(
    tx: Transaction,
    case: Case,
    body: str,
    author: TicketMessageAuthorKind,
    *,
    source_key: str | None = None,
    attachments: Sequence[UUID] = (),
) -> Ticket:
    """Put a public message on a ticket and return the ticket it is on.

    A customer's reply to a closed ticket opens a new one that follows it up (SUP-6); others raise TicketIsClosed.
    """
    ticket, timers = case
    if author is TicketMessageAuthorKind.CUSTOMER and ticket.status is TicketStatus.CLOSED:
        return await open_ticket(
            tx,
            ticket.title,
            body,
            ticket.channel,
            priority=ticket.priority,
            customer_id=ticket.customer_id,
            contact_id=ticket.contact_id,
            email=ticket.requester_email,
            message_key=source_key,
            follow_up_of=ticket,
            attachments=attachments,
        )
    facts: list[Event] = []
    if author is TicketMessageAuthorKind.CUSTOMER:
        facts = ticket.hear(timers, tx.now())
    elif author is TicketMessageAuthorKind.AGENT:
        ticket.answer(timers, tx.now())
    else:
        ticket.must_not_be_closed()
    message = add_message(tx, ticket, body, author, source_key=source_key, attachments=attachments)
    tx.publish(
        TicketReplied.of(ticket, message_id=message.id, author_kind=author, sent_at=message.sent_at),
        *facts,
    )
    return ticket


async def survivor_of(tx: Transaction, customer_id: UUID | None) -> UUID | None:
    """Return the customer that stands for this one now; merges wait until this transaction is through."""
    return await alias.survivor_of(tx, CustomerAlias, customer_id) if customer_id else None


async def pick_agent(tx: Transaction, team: SupportTeam) -> UUID | None:
    """Return the member of a team whose turn it is by the team's routing; None where people choose themselves."""
    if team.routing is SupportTeamRouting.ROUND_ROBIN:
        return team.next_in_turn()
    if team.routing is SupportTeamRouting.MANUAL or not team.member_user_ids:
        return None
    load = (
        select(Ticket.assignee_user_id, func.count(Ticket.id))
        .where(Ticket.assignee_user_id.in_(team.member_user_ids), Ticket.status.not_in(DONE))
        .group_by(Ticket.assignee_user_id)
    )
    busy = {user: count for user, count in (await tx.session.execute(load)).all()}
    return min(team.member_user_ids, key=lambda user: busy.get(user, 0))


async def _next_number(tx: Transaction) -> str:
    return (await tx.ensure(TicketCounter(), "name")).next()
