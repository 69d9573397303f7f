"""What Support shows: its types, and what it adds to those of others."""

from sqlalchemy import ColumnElement

from shared.graph.entity import entity, extend
from shared.graph.rows import related
from subgraphs.support import models
from subgraphs.support.models import (
    TicketStatus,
)


def _not_closed() -> ColumnElement[bool]:
    return models.Ticket.status != TicketStatus.CLOSED


@entity(
    models.Ticket,
    filters=(
        "number",
        "title",
        "status",
        "priority",
        "channel",
        "assignee_user_id",
        "team_id",
        "customer_id",
        "contact_id",
        "breached",
        "opened_at",
        "resolution_due_at",
    ),
    sort=("opened_at", "created_at", "updated_at", "first_response_due_at", "resolution_due_at"),
    hidden=("pauses", "source_key"),
)
class Ticket:
    """A customer's question, until it is answered for good."""

    messages = related(models.TicketMessage, by="ticket_id", order_by=("sent_at",))


@entity(
    models.TicketMessage,
    filters=("ticket_id", "author_kind", "internal_note", "sent_at"),
    sort=("sent_at",),
    hidden=("source_key",),
)
class TicketMessage:
    """What was said on a ticket."""


@entity(models.SlaPolicy, filters=("priority", "active"), sort=("name", "created_at"))
class SlaPolicy:
    """What a tenant promises for one priority."""


@entity(models.SlaTimer, filters=("ticket_id", "kind", "status", "due_at"), sort=("due_at", "created_at"))
class SlaTimer:
    """One clock of one ticket."""


@entity(models.SupportTeam, filters=("active",), sort=("name", "created_at"))
class SupportTeam:
    """Agents who share a queue."""


@extend("crm.Customer")
class Customer:
    """What Support adds to a customer."""

    tickets = related(models.Ticket, by="customer_id", order_by="-opened_at", where=_not_closed, status=True)


@extend("crm.Contact")
class Contact:
    """What Support adds to a contact."""

    tickets = related(models.Ticket, by="contact_id", order_by="-opened_at", where=_not_closed, status=True)
