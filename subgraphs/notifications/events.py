"""The facts Notifications publishes, and its own reading of the facts it hears (tier1.md, 17)."""

from datetime import date, datetime
from uuid import UUID

from shared.wire.envelope import Event


class NotificationSent(Event, type="notification.sent", aggregate="NotificationMessage", key="notification_message_id"):
    """A message lies in someone's inbox."""

    notification_message_id: UUID
    user_id: UUID | None
    channel: str
    template_key: str
    sent_at: datetime


class TaskAssigned(Event, type="task.assigned"):
    """Projects: someone is to do a task."""

    task_id: UUID
    title: str
    assignee_user_id: UUID | None = None
    due_on: date | None = None


class TicketSlaBreached(Event, type="ticket.sla.breached"):
    """Support: a promised time has passed."""

    ticket_id: UUID
    number: str
    kind: str
    assignee_user_id: UUID | None = None


class UserActivated(Event, type="user.activated"):
    """Identity: someone can sign in."""

    user_id: UUID
    display_name: str
