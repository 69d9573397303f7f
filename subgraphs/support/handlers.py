"""What Support does when others' facts arrive, and when time passes."""

import re
from uuid import UUID

from sqlalchemy import or_, select, update

from shared.database import alias
from shared.database.transaction import Transaction
from shared.events.handler import on
from shared.events.schedule import every
from subgraphs.support.events import (
    ChatHandoffRequested,
    CustomerMerged,
    InboundMailReceived,
    PortalAccountActivated,
    ReturnRequested,
    SafetyIncidentReported,
    ShipmentException,
    UserDeactivated,
    WarrantyClaimApproved,
)
from subgraphs.support.models import (
    CustomerAlias,
    SupportTeam,
    Ticket,
    TicketChannel,
    TicketMessage,
    TicketMessageAuthorKind,
    TicketPriority,
    TicketStatus,
    desk,
    sweeps,
)

_TOKEN = re.compile(r"\[#(T-\d+)\]")
_SYSTEM = TicketMessageAuthorKind.SYSTEM


@every("30s")
async def record_breaches(tx: Transaction) -> None:
    """Record the promises that were broken (SUP-5)."""
    await sweeps.sweep_breaches(tx)


@every("5m")
async def close_silent(tx: Transaction) -> None:
    """Close the resolved tickets on which nobody has said anything for 72 hours (SUP-6)."""
    await sweeps.close_silent_tickets(tx)


@on("customer.merged", keeps=True)
async def follow_merge(tx: Transaction, event: CustomerMerged) -> None:
    """Move tickets to the surviving customer."""
    survivor = await alias.merge(tx, CustomerAlias, event.merged_id, event.survivor_id)
    await tx.session.execute(
        update(Ticket)
        .where(Ticket.customer_id == event.merged_id)
        .values(customer_id=survivor, version=Ticket.version + 1, updated_at=tx.now())
    )


@on("user.deactivated")
async def return_to_queue(tx: Transaction, event: UserDeactivated) -> None:
    """Return the agent's open tickets to their team's queue, and take the agent out of the teams."""
    open_ = Ticket.status.not_in(desk.DONE)
    theirs = select(Ticket).where(Ticket.assignee_user_id == event.user_id, open_).order_by(Ticket.id).with_for_update()
    for ticket in await tx.all(theirs):
        tx.publish(ticket.assign(None, ticket.team_id))
    for team in await tx.all(select(SupportTeam)):
        if event.user_id in team.member_user_ids:
            team.member_user_ids = tuple(one for one in team.member_user_ids if one != event.user_id)
        if team.lead_user_id == event.user_id:
            team.lead_user_id = None


@on("inbound.mail.received")
async def take_mail(tx: Transaction, event: InboundMailReceived) -> None:
    """Append a mail to the ticket its subject names, or open one; a mail counts once, by its Message-ID."""
    key = f"mail:{event.message_id}"
    if await tx.first_where(TicketMessage, TicketMessage.source_key == key):
        return
    subject, body = event.subject_line or "(no subject)", event.text_body or "(empty)"
    files = event.stored_file_ids or ()
    if (token := _TOKEN.search(subject)) and (ticket_id := await _named(tx, token[1])):
        case = await desk.take(tx, ticket_id)
        await desk.reply(tx, case, body, TicketMessageAuthorKind.CUSTOMER, source_key=key, attachments=files)
        return
    await desk.open_ticket(
        tx,
        subject,
        body,
        TicketChannel.EMAIL,
        customer_id=event.customer_id,
        email=event.from_address,
        source_key=key,
        message_key=key,
        attachments=files,
    )


async def _named(tx: Transaction, number: str) -> UUID | None:
    """Return the id of the ticket with a number; of a merged one, that of the ticket it was merged into (SUP-7)."""
    known = select(Ticket.id, Ticket.merged_into_id)
    row = (await tx.session.execute(known.where(Ticket.number == number))).first()
    while row is not None and row.merged_into_id is not None:
        row = (await tx.session.execute(known.where(Ticket.id == row.merged_into_id))).first()
    return row.id if row else None


@on("chat.handoff.requested")
async def take_chat(tx: Transaction, event: ChatHandoffRequested) -> None:
    """Open a ticket with the transcript as its first message."""
    await desk.open_ticket(
        tx,
        f"Chat with {event.visitor_name or 'a visitor'}",
        event.transcript or "(no transcript)",
        TicketChannel.CHAT,
        customer_id=event.customer_id,
        email=event.email,
        source_key=f"conversation:{event.visitor_conversation_id}",
    )


@on("shipment.exception")
async def take_shipment(tx: Transaction, event: ShipmentException) -> None:
    """Open a ticket for the customer before they complain."""
    key = f"shipment:{event.shipment_id}:{event.code}"
    title = f"Shipment {event.number}: {event.code}"
    await _raise(tx, title, event.text or title, key, event.customer_id)


@on("return.requested")
async def take_return(tx: Transaction, event: ReturnRequested) -> None:
    """Open a ticket for goods that come back."""
    title = f"Return {event.number}"
    await _raise(tx, title, event.reason or title, f"return:{event.return_request_id}", event.customer_id)


@on("safety.incident.reported")
async def take_incident(tx: Transaction, event: SafetyIncidentReported) -> None:
    """Follow an incident up where a customer's site is affected."""
    if event.customer_id is None:
        return
    title = f"Safety incident ({event.severity}) at {event.location or 'the site'}"
    key = f"safety_incident:{event.safety_incident_id}"
    await _raise(tx, title, title, key, event.customer_id, TicketPriority.HIGH)


async def _raise(
    tx: Transaction,
    title: str,
    body: str,
    key: str,
    customer_id: UUID | None,
    priority: TicketPriority = TicketPriority.NORMAL,
) -> None:
    await desk.open_ticket(
        tx,
        title,
        body,
        TicketChannel.API,
        priority=priority,
        customer_id=customer_id,
        source_key=key,
        author=_SYSTEM,
    )


@on("warranty_claim.approved")
async def tell_claim(tx: Transaction, event: WarrantyClaimApproved) -> None:
    """Tell the requester on the ticket, once."""
    key = f"warranty_claim:{event.warranty_claim_id}"
    known = await tx.first_where(TicketMessage, TicketMessage.source_key == key)
    ticket_id = await tx.session.scalar(select(Ticket.id).where(Ticket.id == event.ticket_id))
    if known or ticket_id is None:
        return
    case = await desk.take(tx, ticket_id)
    if case[0].status is TicketStatus.CLOSED:
        return
    await desk.reply(tx, case, f"Your warranty claim {event.number} was approved.", _SYSTEM, source_key=key)


@on("portal.account.activated")
async def link_contact(tx: Transaction, event: PortalAccountActivated) -> None:
    """Link earlier mail tickets to the contact behind the portal account."""
    by_mail = Ticket.requester_email == event.email.lower()
    customer_id = await desk.survivor_of(tx, event.customer_id)
    whose = or_(Ticket.customer_id.is_(None), Ticket.customer_id == customer_id)
    unlinked = select(Ticket).where(by_mail, Ticket.contact_id.is_(None), whose).with_for_update()
    for ticket in await tx.all(unlinked):
        ticket.contact_id, ticket.customer_id = event.contact_id, ticket.customer_id or customer_id
