"""Who is told what when others' facts arrive."""

from uuid import UUID

from shared.database.transaction import Transaction
from shared.events.handler import on
from shared.language import Phrase, sentence
from subgraphs.notifications.events import TaskAssigned, TicketSlaBreached, UserActivated
from subgraphs.notifications.models import NotificationMessage


@on("task.assigned")
async def tell_assignee(tx: Transaction, event: TaskAssigned) -> None:
    """Tell the assignee of a task, once for each task."""
    if event.due_on:
        text = Phrase("Yours to do: {title}, due on {due_on}.", title=event.title, due_on=event.due_on)
    else:
        text = Phrase("Yours to do: {title}.", title=event.title)
    await _tell(tx, event.assignee_user_id, "task_assigned", str(event.task_id), text)


@on("ticket.sla.breached")
async def tell_agent(tx: Transaction, event: TicketSlaBreached) -> None:
    """Tell the agent of a ticket that a promised time has passed."""
    kind = Phrase(event.kind.replace("_", " ").lower())
    text = Phrase("Ticket {number} is late: {kind}.", number=event.number, kind=kind)
    await _tell(tx, event.assignee_user_id, "ticket_sla_breached", f"{event.ticket_id}:{event.kind}", text)


@on("user.activated")
async def welcome(tx: Transaction, event: UserActivated) -> None:
    """Greet who has just joined."""
    await _tell(tx, event.user_id, "welcome", "", Phrase("Welcome, {name}.", name=event.display_name))


async def _tell(tx: Transaction, user: UUID | None, template: str, about: str, text: Phrase) -> None:
    """Put a message into someone's inbox, once for each fact, in the tenant's language (NOT-1).

    Nobody is told of what is nobody's.
    """
    if user is None:
        return
    key = f"{template}:{about}:{user}"
    if await tx.first_where(NotificationMessage, NotificationMessage.dedup_key == key):
        return
    told = sentence(text.template, text.facts, (await tx.tenant()).locale, "notifications")[:500]
    message = NotificationMessage(dedup_key=key, user_id=user, template_key=template, text=told, sent_at=tx.now())
    tx.publish(tx.add(message).sent())
