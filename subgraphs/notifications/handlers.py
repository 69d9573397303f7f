"""Who is told what when others' facts arrive."""

from uuid import UUID

from shared.database.transaction import Transaction
from shared.events.handler import on
from subgraphs.notifications.events import TaskAssigned, TicketSlaBreached, UserActivated
from subgraphs.notifications.models import NotificationMessage


@on("task.assigned")
async def tell_assignee(tx: Transaction, event: TaskAssigned) -> None:
    """Tell the assignee of a task, once for each task."""
    due = f", due on {event.due_on}" if event.due_on else ""
    await _tell(tx, event.assignee_user_id, "task_assigned", str(event.task_id), f"Yours to do: {event.title}{due}.")


@on("ticket.sla.breached")
async def tell_agent(tx: Transaction, event: TicketSlaBreached) -> None:
    """Tell the agent of a ticket that a promised time has passed."""
    text = f"Ticket {event.number} is late: {event.kind.replace('_', ' ').lower()}."
    await _tell(tx, event.assignee_user_id, "ticket_sla_breached", f"{event.ticket_id}:{event.kind}", text)


@on("user.activated")
async def welcome(tx: Transaction, event: UserActivated) -> None:
    """Greet who has just joined."""
    await _tell(tx, event.user_id, "welcome", "", f"Welcome, {event.display_name}.")


async def _tell(tx: Transaction, user: UUID | None, template: str, about: str, text: str) -> None:
    """Put a message into someone's inbox, once for each fact (NOT-1); nobody is told of what is nobody's."""
    if user is None:
        return
    key = f"{template}:{about}:{user}"
    if await tx.first_where(NotificationMessage, NotificationMessage.dedup_key == key):
        return
    message = NotificationMessage(dedup_key=key, user_id=user, template_key=template, text=text[:500], sent_at=tx.now())
    tx.publish(tx.add(message).sent())
