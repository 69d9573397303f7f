"""Support's commands: thin, they call models."""

from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import select

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.errors import IllegalState, Invalid
from subgraphs.support import models
from subgraphs.support.models import (
    BusinessHours,
    Holiday,
    SlaPolicyPriority,
    SupportTeamRouting,
    TicketChannel,
    TicketMessageAuthorKind,
    TicketPriority,
    TicketStatus,
    desk,
)
from subgraphs.support.models.refusals import DifferentCustomers, NotTeamMember, OverlappingPolicy

Minutes = Annotated[int, Field(ge=0, le=10_000)]


@command("support.ticket.write", queueable="1h")
async def open_ticket(
    tx: Transaction,
    title: str,
    body: str,
    channel: TicketChannel,
    customer_id: UUID | None = None,
    contact_id: UUID | None = None,
    priority: TicketPriority = TicketPriority.NORMAL,
) -> models.Ticket:
    """Open a ticket for a customer; its clocks start by the policy of its priority."""
    return await desk.open_ticket(
        tx, title, body, channel, priority=priority, customer_id=customer_id, contact_id=contact_id
    )


@command("support.ticket.assign", queueable="1h")
async def assign_ticket(
    tx: Transaction,
    ticket_id: UUID,
    user_id: UUID | None = None,
    team_id: UUID | None = None,
    on_site_needed: bool | None = None,
) -> models.Ticket:
    """Give a ticket to an agent or a team; a team's routing may choose the agent. Neither: back to the queue."""
    ticket, _ = await desk.take(tx, ticket_id)
    team = await tx.get(models.SupportTeam, team_id) if team_id else None
    if team is None and user_id and ticket.team_id:
        team = await tx.follow(models.SupportTeam, ticket.team_id)
    if user_id and team and not team.has(user_id):
        raise NotTeamMember(user_id, team.name)
    if team and user_id is None:
        user_id = await desk.pick_agent(tx, team)
    tx.publish(ticket.assign(user_id, team.id if team else None, on_site=on_site_needed))
    return ticket


@command("support.ticket.reply", queueable="1h")
async def reply_ticket(
    tx: Transaction,
    ticket_id: UUID,
    body: str,
    attachments: tuple[UUID, ...] = (),
    author_kind: TicketMessageAuthorKind = TicketMessageAuthorKind.AGENT,
) -> models.Ticket:
    """Answer the customer, or note with `authorKind` CUSTOMER what the customer said.

    A customer's word on a closed ticket opens a new one, which is returned.
    """
    case = await desk.take(tx, ticket_id)
    return await desk.reply(tx, case, body, author_kind, attachments=attachments)


@command("support.ticket.reply", queueable="1h")
async def add_internal_note(tx: Transaction, ticket_id: UUID, body: str) -> models.Ticket:
    """Write a note that only agents see; no clock stops for it."""
    ticket, _ = await desk.take(tx, ticket_id)
    ticket.must_not_be_closed()
    desk.add_message(tx, ticket, body, TicketMessageAuthorKind.AGENT, internal=True)
    return ticket


@command("support.ticket.reply")
async def await_customer(tx: Transaction, ticket_id: UUID) -> models.Ticket:
    """Wait for the customer; the clock of the solution stands still."""
    ticket, timers = await desk.take(tx, ticket_id)
    ticket.wait(TicketStatus.PENDING_CUSTOMER, timers, tx.now())
    return ticket


@command("support.ticket.reply")
async def hold_ticket(tx: Transaction, ticket_id: UUID) -> models.Ticket:
    """Wait for something that is not in the agents' hands; the clock of the solution stands still."""
    ticket, timers = await desk.take(tx, ticket_id)
    ticket.wait(TicketStatus.ON_HOLD, timers, tx.now())
    return ticket


@command("support.ticket.reply")
async def resume_ticket(tx: Transaction, ticket_id: UUID) -> models.Ticket:
    """Work on a waiting ticket again."""
    ticket, timers = await desk.take(tx, ticket_id)
    if ticket.status is TicketStatus.RESOLVED:
        raise IllegalState(
            "The ticket {ticket_number} is resolved: reopen it, with a reason.", ticket_number=ticket.number
        )
    ticket.resume(timers, tx.now())
    return ticket


@command("support.ticket.write")
async def change_ticket_priority(tx: Transaction, ticket_id: UUID, priority: TicketPriority) -> models.Ticket:
    """Give a ticket another priority; its clocks start anew from the opening, by that priority's policy."""
    ticket, timers = await desk.take(tx, ticket_id)
    ticket.must_not_be_closed()
    if ticket.priority is not priority:
        ticket.priority = priority
        await desk.promise(tx, ticket, timers)
    return ticket


@command("support.ticket.reply")
async def resolve_ticket(
    tx: Transaction, ticket_id: UUID, resolution: str, minutes_worked: Minutes = 0
) -> models.Ticket:
    """Note the solution; the ticket closes after 72 hours of silence."""
    ticket, timers = await desk.take(tx, ticket_id)
    tx.publish(ticket.resolve(resolution, minutes_worked, timers, tx.now()))
    return ticket


@command("support.ticket.reply")
async def reopen_ticket(tx: Transaction, ticket_id: UUID, reason: str = "Reopened by hand.") -> models.Ticket:
    """Take a resolved ticket up again."""
    ticket, timers = await desk.take(tx, ticket_id)
    tx.publish(ticket.reopen(reason, timers, tx.now()))
    return ticket


@command("support.ticket.close")
async def close_ticket(tx: Transaction, ticket_id: UUID) -> models.Ticket:
    """Close a resolved ticket for good."""
    ticket, _ = await desk.take(tx, ticket_id)
    tx.publish(ticket.close(tx.now()))
    return ticket


@command("support.ticket.merge")
async def merge_tickets(tx: Transaction, target_id: UUID, source_id: UUID, force: bool = False) -> models.Ticket:
    """Make one of two tickets: the older one, with its number, gets the messages; the other closes with a pointer."""
    if target_id == source_id:
        raise Invalid("Both ids name the same ticket: choose two.", "sourceId")
    cases = [await desk.take(tx, one) for one in (target_id, source_id)]
    (kept, kept_timers), (merged, timers) = sorted(cases, key=lambda case: (case[0].opened_at, case[0].id))
    if kept.customer_id != merged.customer_id and not force:
        raise DifferentCustomers
    tx.publish(merged.merge_into(kept, timers, tx.now()))
    for message in await tx.all(select(models.TicketMessage).where(models.TicketMessage.ticket_id == merged.id)):
        message.ticket_id = kept.id
    if merged.first_responded_at and not kept.first_responded_at:
        kept.answer(kept_timers, tx.now())
    return kept


@command("support.sla.write")
async def define_sla_policy(
    tx: Transaction,
    name: str,
    priority: SlaPolicyPriority,
    first_response_minutes: int | None = None,
    resolution_minutes: int | None = None,
    business_hours: tuple[BusinessHours, ...] = (),
    holidays: tuple[Holiday, ...] = (),
    timezone: str | None = None,
    active: bool = True,
    policy_id: UUID | None = None,
) -> models.SlaPolicy:
    """Define what is promised for a priority, or with `policyId` change it; tickets that are open keep their terms."""
    if active:
        holds = (models.SlaPolicy.priority == priority) & models.SlaPolicy.active
        if other := await tx.first_where(models.SlaPolicy, holds, models.SlaPolicy.id != (policy_id or UUID(int=0))):
            raise OverlappingPolicy(other.name, priority)
    values = {
        "name": name,
        "priority": priority,
        "first_response_minutes": first_response_minutes,
        "resolution_minutes": resolution_minutes,
        "business_hours": business_hours,
        "holidays": holidays,
        "timezone": timezone or (await tx.tenant()).time_zone,
        "active": active,
    }
    if policy_id:
        policy = await tx.get(models.SlaPolicy, policy_id)
        for field, value in values.items():
            setattr(policy, field, value)
    else:
        policy = tx.add(models.SlaPolicy(**values))
    policy.terms()
    return policy


@command("support.team.write")
async def define_support_team(
    tx: Transaction,
    name: str,
    member_user_ids: tuple[UUID, ...] = (),
    lead_user_id: UUID | None = None,
    mailbox: str | None = None,
    routing: SupportTeamRouting = SupportTeamRouting.MANUAL,
    active: bool = True,
    team_id: UUID | None = None,
) -> models.SupportTeam:
    """Make a team of agents, or with `teamId` change one."""
    team = await tx.get(models.SupportTeam, team_id) if team_id else tx.add(models.SupportTeam(name=name))
    team.name, team.member_user_ids, team.lead_user_id = name, member_user_ids, lead_user_id
    team.mailbox, team.routing, team.active = mailbox, routing, active
    return team
