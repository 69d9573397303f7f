"""Tickets, their messages and the teams that answer them (tier1.md, 2)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState
from shared.values import Part, Personal, Ref, Searchable
from shared.wire.envelope import Event
from subgraphs.support.events import (
    TicketAssigned,
    TicketClosed,
    TicketOpened,
    TicketReopened,
    TicketResolved,
    TicketSlaBreached,
)
from subgraphs.support.models.hours import SlaTerms, Span
from subgraphs.support.models.refusals import NotResolved, TicketIsClosed
from subgraphs.support.models.sla import SlaTimer, SlaTimerKind, SlaTimerStatus
from subgraphs.support.models.teams import teams_of

SILENCE = timedelta(hours=72)


class TicketChannel(StrEnum):
    """The way a ticket came in."""

    EMAIL = "EMAIL"
    PORTAL = "PORTAL"
    CHAT = "CHAT"
    PHONE = "PHONE"
    API = "API"


class TicketPriority(StrEnum):
    """How pressing a ticket is."""

    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
    URGENT = "URGENT"


class TicketStatus(StrEnum):
    """Whose turn it is, and how far a ticket has come."""

    NEW = "NEW"
    OPEN = "OPEN"
    PENDING_CUSTOMER = "PENDING_CUSTOMER"
    ON_HOLD = "ON_HOLD"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"


class TicketMessageAuthorKind(StrEnum):
    """Who speaks; SYSTEM is an auto-reply, or a note of the platform's."""

    AGENT = "AGENT"
    CUSTOMER = "CUSTOMER"
    SYSTEM = "SYSTEM"


class Pause(Part):
    """A span in which the RESOLUTION clock stood still."""

    from_: datetime
    to: datetime


_Requester = Annotated[str | None, Field(max_length=320), Personal("contact_id", "requester_email")]


class Ticket(Entity):
    """A customer's question, until it is answered for good.

    Its methods take the ticket's timers and leave them right. What they return are the facts to publish, in order.
    """

    __owner__ = "assignee_user_id"
    __unique__ = (("number",), ("source_key",))
    __indexes__ = (("status", "opened_at"), ("customer_id", "opened_at"), ("team_id", "status"), ("requester_email",))

    number: Mapped[str]
    title: Mapped[Annotated[str, Field(min_length=1, max_length=300), Searchable()]]
    channel: Mapped[TicketChannel]
    opened_at: Mapped[datetime]
    customer_id: Mapped[Annotated[UUID | None, Ref("crm.Customer")]] = default(None)
    contact_id: Mapped[Annotated[UUID | None, Ref("crm.Contact")]] = default(None)
    priority: Mapped[TicketPriority] = default(TicketPriority.NORMAL)
    status: Mapped[TicketStatus] = default(TicketStatus.NEW)
    assignee_user_id: Mapped[Annotated[UUID | None, Ref("identity.UserAccount")]] = default(None)
    team_id: Mapped[Annotated[UUID | None, Ref("SupportTeam")]] = default(None)
    first_response_due_at: Mapped[datetime | None] = default(None)
    resolution_due_at: Mapped[datetime | None] = default(None)
    first_responded_at: Mapped[datetime | None] = default(None)
    resolved_at: Mapped[datetime | None] = default(None)
    closed_at: Mapped[datetime | None] = default(None)
    last_message_at: Mapped[datetime | None] = default(None)
    breached: Mapped[bool] = default(False)
    on_site_needed: Mapped[bool] = default(False)
    minutes_worked: Mapped[int] = default(0)
    resolution: Mapped[Annotated[str | None, Field(max_length=10000)]] = default(None)
    reopen_count: Mapped[int] = default(0)
    follow_up_of_id: Mapped[Annotated[UUID | None, Ref("Ticket", reverse="follow_ups")]] = default(None)
    merged_into_id: Mapped[Annotated[UUID | None, Ref("Ticket", reverse="merged_tickets")]] = default(None)
    requester_email: Mapped[_Requester] = default(None)
    source_key: Mapped[str | None] = default(None)
    paused_since: Mapped[datetime | None] = default(None)
    pauses: Mapped[tuple[Pause, ...]] = default(())

    @classmethod
    def of_team(cls, user: UUID) -> ColumnElement[bool]:
        """Return the condition of the tickets that a support team's members share: its own, and those of nobody (tier1.md, 2)."""
        is_nobodys = and_(cls.team_id.is_(None), cls.assignee_user_id.is_(None))
        return or_(cls.team_id.in_(teams_of(user)), is_nobodys)

    def opened(self, body: str) -> TicketOpened:
        """Return the fact that it was opened."""
        return TicketOpened.of(self, body=body)

    def promise(self, terms: SlaTerms | None, policy_id: UUID | None, timers: Sequence[SlaTimer]) -> list[SlaTimer]:
        """Return new timers by `terms` for what is still to come, from the opening less pauses (SUP-2).

        `timers` are those it has: the live ones are cancelled; what is met or breached is not measured again.
        """
        for timer in timers:
            timer.cancel()
        settled = {timer.kind for timer in timers if timer.status is not SlaTimerStatus.CANCELLED}
        begun: list[SlaTimer] = []
        for kind, done_at in (
            (SlaTimerKind.FIRST_RESPONSE, self.first_responded_at),
            (SlaTimerKind.RESOLUTION, self.resolved_at),
        ):
            if terms is None or done_at is not None or kind in settled:
                continue
            timer = SlaTimer(kind=kind, ticket_id=self.id, policy_snapshot=terms, sla_policy_id=policy_id)
            if timer.minutes is None:
                continue
            timer.run(self.opened_at, self._spans())
            if self.paused_since is not None:
                timer.pause(self.paused_since, self.opened_at, self._spans())
            begun.append(timer)
        self._show_due([*timers, *begun])
        return begun

    def expire(self, timers: Sequence[SlaTimer], at: datetime) -> list[Event]:
        """Record which timers ran out before `at`, each once, with its real due time (SUP-5)."""
        facts: list[Event] = []
        for timer in timers:
            if not timer.is_overdue(at):
                continue
            assert timer.due_at is not None
            timer.status, self.breached = SlaTimerStatus.BREACHED, True
            late = int((at - timer.due_at).total_seconds() // 60)
            facts.append(
                TicketSlaBreached.of(self, kind=timer.kind, due_at=timer.due_at, breached_by_minutes=late),
            )
        return facts

    def assign(self, user_id: UUID | None, team_id: UUID | None, *, on_site: bool | None = None) -> TicketAssigned:
        """Give it to an agent, a team, or (both None) back to the queue. Raises TicketIsClosed."""
        self.must_not_be_closed()
        self.assignee_user_id, self.team_id = user_id, team_id
        if on_site is not None:
            self.on_site_needed = on_site
        if self.status is TicketStatus.NEW and (user_id or team_id):
            self.status = TicketStatus.OPEN
        return TicketAssigned.of(self)

    def answer(self, timers: Sequence[SlaTimer], at: datetime) -> None:
        """Note a public message of an agent: the first one meets FIRST_RESPONSE (SUP-4). Raises TicketIsClosed."""
        self.must_not_be_closed()
        self.last_message_at = at
        if self.status is TicketStatus.NEW:
            self.status = TicketStatus.OPEN
        if self.first_responded_at is None:
            self.first_responded_at = at
            self._stop(SlaTimerKind.FIRST_RESPONSE, timers, at)

    def hear(self, timers: Sequence[SlaTimer], at: datetime) -> list[Event]:
        """Note a message of the customer: it ends the waiting, and reopens what is resolved (SUP-6)."""
        self.must_not_be_closed()
        self.last_message_at = at
        if self.status is TicketStatus.RESOLVED:
            return [self.reopen("The customer replied.", timers, at)]
        if self.status is TicketStatus.PENDING_CUSTOMER:
            self.resume(timers, at)
        return []

    def wait(self, status: TicketStatus, timers: Sequence[SlaTimer], at: datetime) -> None:
        """Stop the RESOLUTION clock while the customer (PENDING_CUSTOMER) or the world (ON_HOLD) is to act (SUP-3)."""
        self._must_be(TicketStatus.OPEN, TicketStatus.PENDING_CUSTOMER, TicketStatus.ON_HOLD)
        self.status = status
        if self.paused_since is None:
            self.paused_since = at
            for timer in timers:
                timer.pause(at, self.opened_at, self._spans())
        self._show_due(timers)

    def resume(self, timers: Sequence[SlaTimer], at: datetime) -> None:
        """Be worked on again: the RESOLUTION clock goes on with the minutes used (SUP-2, SUP-3)."""
        self._must_be(TicketStatus.PENDING_CUSTOMER, TicketStatus.ON_HOLD, TicketStatus.RESOLVED)
        if self.paused_since is not None:
            self.pauses = (*self.pauses, Pause(from_=self.paused_since, to=at))
        self.status, self.paused_since = TicketStatus.OPEN, None
        for timer in timers:
            if timer.kind is SlaTimerKind.RESOLUTION and timer.status is not SlaTimerStatus.CANCELLED:
                timer.run(self.opened_at, self._spans())
        self._show_due(timers)

    def resolve(self, resolution: str, minutes: int, timers: Sequence[SlaTimer], at: datetime) -> TicketResolved:
        """Give the answer; `minutes` of work are added. Raises TicketIsClosed, IllegalState."""
        self._must_be(TicketStatus.OPEN, TicketStatus.PENDING_CUSTOMER)
        self._stop(SlaTimerKind.RESOLUTION, timers, at)
        used = next((one for one in timers if one.kind is SlaTimerKind.RESOLUTION and _has_verdict(one)), None)
        minutes_used = used.elapsed_minutes if used else self._real_minutes(at)
        self.status, self.resolved_at, self.resolution = TicketStatus.RESOLVED, at, resolution
        self.paused_since = self.paused_since or at
        self.minutes_worked += minutes
        return TicketResolved.of(self, resolved_at=at, business_minutes=minutes_used, resolution=resolution)

    def reopen(self, reason: str, timers: Sequence[SlaTimer], at: datetime) -> TicketReopened:
        """Take a resolved ticket up again. Raises TicketIsClosed, IllegalState."""
        self._must_be(TicketStatus.RESOLVED)
        self.resolved_at = None
        self.reopen_count += 1
        self.resume(timers, at)
        return TicketReopened.of(self, reason=reason)

    def close(self, at: datetime) -> TicketClosed:
        """End it for good. Raises NotResolved, TicketIsClosed."""
        self.must_not_be_closed()
        if self.status is not TicketStatus.RESOLVED:
            raise NotResolved(self.number)
        return self._close(at)

    def merge_into(self, kept: "Ticket", timers: Sequence[SlaTimer], at: datetime) -> TicketClosed:
        """Close it with a pointer to `kept`, which has the older number (SUP-7). Raises TicketIsClosed."""
        self.must_not_be_closed()
        kept.must_not_be_closed()
        for timer in timers:
            timer.cancel()
        self.merged_into_id = kept.id
        kept.minutes_worked += self.minutes_worked
        self.minutes_worked = 0
        return self._close(at)

    def must_not_be_closed(self) -> None:
        """Raise TicketIsClosed for a closed ticket."""
        if self.status is TicketStatus.CLOSED:
            raise TicketIsClosed(self.number)

    def _must_be(self, *allowed: TicketStatus) -> None:
        self.must_not_be_closed()
        if self.status not in allowed:
            wanted = ", ".join(allowed)
            raise IllegalState(
                "The ticket {number} is {status}: this needs one of {wanted}.",
                number=self.number,
                status=self.status,
                wanted=wanted,
            )

    def _close(self, at: datetime) -> TicketClosed:
        self.status, self.closed_at = TicketStatus.CLOSED, at
        return TicketClosed.of(self, closed_at=at)

    def _stop(self, kind: SlaTimerKind, timers: Sequence[SlaTimer], at: datetime) -> None:
        for timer in timers:
            if timer.kind is kind:
                timer.stop(at, self.opened_at, self._spans(at))
        self._show_due(timers)

    def _spans(self, at: datetime | None = None) -> list[Span]:
        """Return its pauses; with `at`, also the one that lasts, up to there."""
        spans = [(pause.from_, pause.to) for pause in self.pauses]
        return [*spans, (self.paused_since, at)] if at and self.paused_since else spans

    def _real_minutes(self, at: datetime) -> int:
        """Return the minutes since the opening, less pauses: what counts without a policy."""
        return SlaTerms(name="", timezone="UTC").minutes_between(self.opened_at, at, self._spans(at))

    def _show_due(self, timers: Sequence[SlaTimer]) -> None:
        dues = {timer.kind: timer.due_at for timer in timers if timer.status is not SlaTimerStatus.CANCELLED}
        paused = any(timer.status is SlaTimerStatus.PAUSED for timer in timers)
        self.first_response_due_at = dues.get(SlaTimerKind.FIRST_RESPONSE)
        self.resolution_due_at = None if paused else dues.get(SlaTimerKind.RESOLUTION)


def _has_verdict(timer: SlaTimer) -> bool:
    return timer.status in (SlaTimerStatus.MET, SlaTimerStatus.BREACHED)


class TicketMessage(Entity):
    """What was said on a ticket; append-only, moved only by a merge (SUP-7)."""

    __within__ = "ticket_id"
    __unique__ = (("source_key",),)
    __indexes__ = (("ticket_id", "sent_at"),)

    body: Mapped[Annotated[str, Field(min_length=1, max_length=100_000)]]
    ticket_id: Mapped[Annotated[UUID, Ref("Ticket", reverse="")]]
    author_kind: Mapped[TicketMessageAuthorKind]
    sent_at: Mapped[datetime]
    author_user_id: Mapped[Annotated[UUID | None, Ref("identity.UserAccount")]] = default(None)
    internal_note: Mapped[bool] = default(False)
    attachment_ids: Mapped[tuple[UUID, ...]] = default(())
    source_key: Mapped[str | None] = default(None)


class TicketCounter(Entity):
    """The last ticket number of a tenant; its row's lock puts openings in a row (SUP-1)."""

    __unique__ = (("name",),)

    name: Mapped[str] = default("T")
    last: Mapped[int] = default(0)

    def next(self) -> str:
        """Return the next number, such as `T-124`."""
        self.last += 1
        return f"{self.name}-{self.last}"


class CustomerAlias(Entity):
    """A customer that was merged, and who stands for it now (tier1.md, 0, "Merged customers")."""

    __unique__ = (("merged_id",),)
    __indexes__ = (("survivor_id",),)

    merged_id: Mapped[UUID]
    survivor_id: Mapped[UUID]
