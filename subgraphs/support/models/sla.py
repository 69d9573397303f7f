"""What was promised, and the clocks that measure it (SUP-2 to SUP-5)."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.values import Ref, TimeZone
from subgraphs.support.models.hours import BusinessHours, Holiday, SlaTerms, Span


class SlaPolicyPriority(StrEnum):
    """The priority a policy holds for."""

    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
    URGENT = "URGENT"


class SlaTimerKind(StrEnum):
    """What a timer measures."""

    FIRST_RESPONSE = "FIRST_RESPONSE"
    RESOLUTION = "RESOLUTION"


class SlaTimerStatus(StrEnum):
    """How a timer stands."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    MET = "MET"
    BREACHED = "BREACHED"
    CANCELLED = "CANCELLED"


class SlaPolicy(Entity):
    """What a tenant promises for one priority."""

    __indexes__ = (("priority", "active"),)

    name: Mapped[Annotated[str, Field(min_length=1, max_length=200)]]
    priority: Mapped[SlaPolicyPriority]
    timezone: Mapped[TimeZone]
    first_response_minutes: Mapped[Annotated[int | None, Field(gt=0)]] = default(None)
    resolution_minutes: Mapped[Annotated[int | None, Field(gt=0)]] = default(None)
    business_hours: Mapped[tuple[BusinessHours, ...]] = default(())
    holidays: Mapped[tuple[Holiday, ...]] = default(())
    active: Mapped[bool] = default(True)

    def terms(self) -> SlaTerms:
        """Return what is frozen in a timer. Raises Invalid for hours that contradict each other."""
        terms = SlaTerms.model_validate(
            {name: getattr(self, name) for name in SlaTerms.model_fields},
        )
        terms.check()
        return terms


class SlaTimer(Entity):
    """One clock of one ticket, by the terms of the day it was opened."""

    __within__ = "ticket_id"
    __indexes__ = (("status", "due_at"),)

    kind: Mapped[SlaTimerKind]
    ticket_id: Mapped[Annotated[UUID, Ref("Ticket", reverse="sla_timers")]]
    policy_snapshot: Mapped[SlaTerms]
    sla_policy_id: Mapped[Annotated[UUID | None, Ref("SlaPolicy", reverse="")]] = default(None)
    status: Mapped[SlaTimerStatus] = default(SlaTimerStatus.RUNNING)
    due_at: Mapped[datetime | None] = default(None)
    elapsed_minutes: Mapped[int] = default(0)
    paused_since: Mapped[datetime | None] = default(None)

    @property
    def is_live(self) -> bool:
        """Whether it runs, or will again."""
        return self.status in (SlaTimerStatus.RUNNING, SlaTimerStatus.PAUSED)

    @property
    def minutes(self) -> int | None:
        """How many business minutes it allows."""
        if self.kind is SlaTimerKind.FIRST_RESPONSE:
            return self.policy_snapshot.first_response_minutes
        return self.policy_snapshot.resolution_minutes

    def run(self, opened_at: datetime, pauses: Sequence[Span]) -> None:
        """Count from the opening, less pauses, which FIRST_RESPONSE ignores (SUP-3); a breach stays one (SUP-5)."""
        if self.status is SlaTimerStatus.BREACHED or self.minutes is None:
            return
        self.due_at = self.policy_snapshot.due(opened_at, self.minutes, self._own(pauses))
        self.status, self.paused_since = SlaTimerStatus.RUNNING, None

    def pause(self, at: datetime, opened_at: datetime, pauses: Sequence[Span]) -> None:
        """Stand still while the customer or the world is to act; only RESOLUTION does (SUP-3)."""
        if self.status is not SlaTimerStatus.RUNNING or self.kind is SlaTimerKind.FIRST_RESPONSE:
            return
        self.elapsed_minutes = self.policy_snapshot.minutes_between(opened_at, at, self._own(pauses))
        self.status, self.paused_since = SlaTimerStatus.PAUSED, at

    def stop(self, at: datetime, opened_at: datetime, pauses: Sequence[Span]) -> None:
        """Note that what it measures happened; it is MET unless it ran out before (SUP-4, SUP-5)."""
        if self.status is SlaTimerStatus.CANCELLED:
            return
        self.elapsed_minutes = self.policy_snapshot.minutes_between(opened_at, at, self._own(pauses))
        if self.is_live:
            self.status, self.paused_since = SlaTimerStatus.MET, None

    def is_overdue(self, at: datetime) -> bool:
        """Tell whether it ran out before `at` and nobody has noted it yet."""
        return self.status is SlaTimerStatus.RUNNING and self.due_at is not None and self.due_at < at

    def cancel(self) -> None:
        """End a live timer without a verdict (SUP-2)."""
        if self.is_live:
            self.status = SlaTimerStatus.CANCELLED

    def _own(self, pauses: Sequence[Span]) -> Sequence[Span]:
        return () if self.kind is SlaTimerKind.FIRST_RESPONSE else pauses
