"""The facts Support publishes, and its own reading of the facts it hears (tier1.md, 2 and 18)."""

from datetime import datetime
from uuid import UUID

from shared.wire.envelope import Event


class TicketOpened(Event, type="ticket.opened", aggregate="Ticket"):
    """A customer asked for help."""

    ticket_id: UUID
    number: str
    title: str
    body: str
    customer_id: UUID | None
    contact_id: UUID | None
    channel: str
    priority: str
    opened_at: datetime


class TicketAssigned(Event, type="ticket.assigned", aggregate="Ticket"):
    """A ticket has another agent or team; both null: it is back in the queue."""

    ticket_id: UUID
    assignee_user_id: UUID | None
    team_id: UUID | None
    on_site_needed: bool
    customer_id: UUID | None


class TicketReplied(Event, type="ticket.replied", aggregate="Ticket"):
    """A public message was added; internal notes stay inside."""

    ticket_id: UUID
    message_id: UUID
    author_kind: str
    customer_id: UUID | None
    contact_id: UUID | None
    sent_at: datetime


class TicketSlaBreached(Event, type="ticket.sla.breached", aggregate="Ticket"):
    """A timer ran out, once for ever (SUP-5); `dueAt` is the real due time, also after an outage."""

    ticket_id: UUID
    number: str
    customer_id: UUID | None
    kind: str
    due_at: datetime
    breached_by_minutes: int
    team_id: UUID | None
    assignee_user_id: UUID | None


class TicketResolved(Event, type="ticket.resolved", aggregate="Ticket"):
    """An answer was found; `businessMinutes` is what it took by the policy's clock."""

    ticket_id: UUID
    customer_id: UUID | None
    resolved_at: datetime
    business_minutes: int
    resolution: str
    minutes_worked: int


class TicketReopened(Event, type="ticket.reopened", aggregate="Ticket"):
    """The answer was not the last word."""

    ticket_id: UUID
    customer_id: UUID | None
    reopen_count: int
    reason: str


class TicketClosed(Event, type="ticket.closed", aggregate="Ticket"):
    """A ticket is final."""

    ticket_id: UUID
    customer_id: UUID | None
    contact_id: UUID | None
    closed_at: datetime
    minutes_worked: int


class CustomerMerged(Event, type="customer.merged"):
    """CRM: two customers turned out to be one."""

    survivor_id: UUID
    merged_id: UUID


class UserDeactivated(Event, type="user.deactivated"):
    """Identity: a user may no longer sign in."""

    user_id: UUID


class InboundMailReceived(Event, type="inbound.mail.received"):
    """Mail came in; `messageId` is the mail's own, `subjectLine` may hold a token like `[#T-123]`."""

    message_id: str
    from_address: str
    subject_line: str | None = None
    text_body: str | None = None
    customer_id: UUID | None = None
    stored_file_ids: tuple[UUID, ...] | None = None


class ChatHandoffRequested(Event, type="chat.handoff.requested"):
    """A visitor wants a person."""

    visitor_conversation_id: UUID
    customer_id: UUID | None = None
    visitor_name: str | None = None
    email: str | None = None
    transcript: str | None = None


class ShipmentException(Event, type="shipment.exception"):
    """Shipping: a parcel is late, lost or damaged."""

    shipment_id: UUID
    number: str
    customer_id: UUID | None = None
    code: str
    text: str | None = None


class ReturnRequested(Event, type="return.requested"):
    """A customer wants to send goods back."""

    return_request_id: UUID
    number: str
    customer_id: UUID | None = None
    reason: str | None = None


class SafetyIncidentReported(Event, type="safety.incident.reported"):
    """An accident; a customer's site is affected where `customerId` is set."""

    safety_incident_id: UUID
    severity: str
    location: str | None = None
    customer_id: UUID | None = None


class WarrantyClaimApproved(Event, type="warranty_claim.approved"):
    """A warranty claim was accepted."""

    warranty_claim_id: UUID
    number: str
    ticket_id: UUID | None = None


class PortalAccountActivated(Event, type="portal.account.activated"):
    """A contact has a login of the customer portal."""

    contact_id: UUID
    customer_id: UUID | None = None
    email: str
