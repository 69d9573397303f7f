"""Teams of agents (tier1.md, 2)."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.values import Ref


class SupportTeamRouting(StrEnum):
    """How a team's ticket finds its agent."""

    ROUND_ROBIN = "ROUND_ROBIN"
    LEAST_BUSY = "LEAST_BUSY"
    MANUAL = "MANUAL"


class SupportTeam(Entity):
    """Agents who share a queue."""

    name: Mapped[Annotated[str, Field(min_length=1, max_length=200)]]
    mailbox: Mapped[Annotated[str | None, Field(max_length=320)]] = default(None)
    lead_user_id: Mapped[Annotated[UUID | None, Ref("identity.UserAccount")]] = default(None)
    member_user_ids: Mapped[tuple[UUID, ...]] = default(())
    routing: Mapped[SupportTeamRouting] = default(SupportTeamRouting.MANUAL)
    last_assigned_user_id: Mapped[UUID | None] = default(None)
    active: Mapped[bool] = default(True)

    def has(self, user_id: UUID) -> bool:
        """Tell whether a user answers this team's tickets."""
        return user_id == self.lead_user_id or user_id in self.member_user_ids

    def next_in_turn(self) -> UUID | None:
        """Return the member whose turn it is; None in an empty team."""
        members = self.member_user_ids
        if not members:
            return None
        last = members.index(self.last_assigned_user_id) if self.last_assigned_user_id in members else -1
        self.last_assigned_user_id = members[(last + 1) % len(members)]
        return self.last_assigned_user_id


def teams_of(user: UUID) -> Select[UUID]:
    """Return the statement for the ids of the teams that a user leads or is a member of."""
    is_member = func.jsonb_exists(SupportTeam.member_user_ids, str(user))
    return select(SupportTeam.id).where(SupportTeam.active, or_(SupportTeam.lead_user_id == user, is_member))
