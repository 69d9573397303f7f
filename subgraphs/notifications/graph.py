"""Notifications' types and commands, and the inbox it adds to each user."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import func, select

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.database.visibility import visible
from shared.graph.entity import batched, card, entity, extend
from shared.graph.rows import related
from shared.values import Part
from shared.wire.principal import RowScope
from subgraphs.notifications import models
from subgraphs.notifications.models import NotificationMessageStatus

_READ = "notifications.notification_message.read"


@entity(
    models.NotificationMessage,
    filters=("status", "user_id", "template_key", "created_at"),
    sort=("created_at",),
    hidden=("dedup_key",),
)
class NotificationMessage:
    """A message to one person."""


@extend("identity.UserAccount")
class UserAccount:
    """What a user has to read."""

    notifications = related(models.NotificationMessage, by="user_id", order_by="-created_at")

    @batched(_READ)
    @staticmethod
    async def unread_notifications(tx: Transaction, ids: list[UUID]) -> Mapping[UUID, int]:
        """How many messages wait to be read (NOT-6)."""
        model = models.NotificationMessage
        seen = visible(model, tx.principal, tx.principal.scope(_READ) or RowScope.OWN)
        unread = (
            select(model.user_id, func.count(model.id))
            .where(model.user_id.in_(ids), model.status == NotificationMessageStatus.SENT, *seen)
            .group_by(model.user_id)
        )
        return {user: count for user, count in (await tx.session.execute(unread)).all() if user}


class NotificationsDashboard(Part):
    """Messages at a glance."""

    sent: int
    unread: int


@card(_READ)
async def notifications_card(tx: Transaction) -> NotificationsDashboard:
    """How many messages there are, and how many nobody has read."""
    unread = models.NotificationMessage.status == NotificationMessageStatus.SENT
    counts = select(func.count(models.NotificationMessage.id), func.count().filter(unread))
    sent, waiting = (await tx.session.execute(counts)).one()
    return NotificationsDashboard(sent=sent, unread=waiting)


@command("notifications.notification_message.write", queueable="1h")
async def mark_notification_read(tx: Transaction, notification_message_id: UUID) -> models.NotificationMessage:
    """Note that a message was read."""
    message = await tx.get(models.NotificationMessage, notification_message_id)
    message.read(tx.now())
    return message


@command("notifications.notification_message.write")
async def mark_all_read(tx: Transaction) -> Sequence[models.NotificationMessage]:
    """Note that one has read all of one's messages, at most 500 at a time."""
    model = models.NotificationMessage
    mine = (model.user_id == tx.principal.user, model.status == NotificationMessageStatus.SENT)
    messages = await tx.all(select(model).where(*mine).order_by(model.id).limit(500).with_for_update())
    for message in messages:
        message.read(tx.now())
    return messages
