"""Messages: each of one fact to one person once (NOT-1), unread until it is read."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.values import Personal, Ref
from subgraphs.notifications.events import NotificationSent


class NotificationMessageChannel(StrEnum):
    """The way a message goes; the only one yet is the app itself."""

    IN_APP = "IN_APP"


class NotificationMessageStatus(StrEnum):
    """How far a message has come."""

    SENT = "SENT"
    READ = "READ"


class NotificationMessage(Entity):
    """A message to one person."""

    __owner__ = "user_id"
    __unique__ = (("dedup_key",),)
    __indexes__ = (("user_id", "status"),)

    dedup_key: Mapped[Annotated[str, Field(min_length=1, max_length=200)]]
    template_key: Mapped[Annotated[str, Field(min_length=1, max_length=100)]]
    text: Mapped[Annotated[str, Field(min_length=1, max_length=500), Personal("user_id")]]
    user_id: Mapped[Annotated[UUID | None, Ref("identity.UserAccount")]] = default(None)
    channel: Mapped[NotificationMessageChannel] = default(NotificationMessageChannel.IN_APP)
    status: Mapped[NotificationMessageStatus] = default(NotificationMessageStatus.SENT)
    sent_at: Mapped[datetime | None] = default(None)
    read_at: Mapped[datetime | None] = default(None)

    def sent(self) -> NotificationSent:
        """Return the fact that it lies in the inbox."""
        return NotificationSent.of(self)

    def read(self, at: datetime) -> None:
        """Note that it was read; reading it again changes nothing."""
        if self.status is not NotificationMessageStatus.READ:
            self.status, self.read_at = NotificationMessageStatus.READ, at
