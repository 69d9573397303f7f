"""Support's rows and their rules: tickets, the promises made for them, and the desk where they are opened."""

from subgraphs.support.models.hours import BusinessHours, Holiday, SlaTerms
from subgraphs.support.models.sla import SlaPolicy, SlaPolicyPriority, SlaTimer, SlaTimerKind, SlaTimerStatus
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

__all__ = [
    "BusinessHours",
    "CustomerAlias",
    "Holiday",
    "SlaPolicy",
    "SlaPolicyPriority",
    "SlaTerms",
    "SlaTimer",
    "SlaTimerKind",
    "SlaTimerStatus",
    "SupportTeam",
    "SupportTeamRouting",
    "Ticket",
    "TicketChannel",
    "TicketCounter",
    "TicketMessage",
    "TicketMessageAuthorKind",
    "TicketPriority",
    "TicketStatus",
]
