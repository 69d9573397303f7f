"""Support in figures: the SLA report, the caller's queue, the card."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import ColumnElement, case, func, or_, select

from shared.database.transaction import Transaction
from shared.graph.entity import card, query
from shared.values import Part
from subgraphs.support import models
from subgraphs.support.models import (
    SlaTimerKind,
    SlaTimerStatus,
    TicketPriority,
    desk,
)


class SlaReportGroup(StrEnum):
    """What a line of the SLA report stands for."""

    PRIORITY = "PRIORITY"
    TEAM = "TEAM"
    ASSIGNEE = "ASSIGNEE"


class SlaReportLine(Part):
    """How promises were kept; medians in business minutes, null where nothing was measured."""

    key: str | None
    tickets: int
    met_pct: Decimal | None
    median_first_response: Decimal | None
    median_resolution: Decimal | None


class TicketsOfPriority(Part):
    """How many tickets of a priority wait."""

    priority: TicketPriority
    open: int


class SupportDashboard(Part):
    """The desk at a glance."""

    open_by_priority: tuple[TicketsOfPriority, ...]
    breached_today: int
    median_first_response: Decimal | None


_GROUPS = {
    SlaReportGroup.PRIORITY: models.Ticket.priority,
    SlaReportGroup.TEAM: models.Ticket.team_id,
    SlaReportGroup.ASSIGNEE: models.Ticket.assignee_user_id,
}
_MEASURED = (SlaTimerStatus.MET, SlaTimerStatus.BREACHED)


def _median(kind: SlaTimerKind) -> ColumnElement[Decimal]:
    """Return the median of the business minutes that timers of a kind took."""
    reached = {
        SlaTimerKind.FIRST_RESPONSE: models.Ticket.first_responded_at,
        SlaTimerKind.RESOLUTION: models.Ticket.resolved_at,
    }[kind]
    of_kind = (models.SlaTimer.kind == kind) & reached.is_not(None)
    return func.percentile_cont(0.5).within_group(case((of_kind, models.SlaTimer.elapsed_minutes)))


@query("support.ticket.read")
async def sla_report(
    tx: Transaction, from_: datetime, to: datetime, group_by: SlaReportGroup = SlaReportGroup.PRIORITY
) -> list[SlaReportLine]:
    """Return how promises were kept on tickets opened from `from` up to `to`, worst group first; at most 200 groups."""
    group = _GROUPS[group_by]
    timer = models.SlaTimer
    met = func.count(timer.id).filter(timer.status == SlaTimerStatus.MET)
    met_share = (met * 100.0 / func.nullif(func.count(timer.id), 0)).label("met_share")
    statement = (
        select(
            group,
            func.count(models.Ticket.id.distinct()),
            met_share,
            _median(SlaTimerKind.FIRST_RESPONSE),
            _median(SlaTimerKind.RESOLUTION),
        )
        .select_from(models.Ticket)
        .outerjoin(timer, (timer.ticket_id == models.Ticket.id) & timer.status.in_(_MEASURED))
        .where(models.Ticket.opened_at >= from_, models.Ticket.opened_at < to)
        .group_by(group)
        .order_by(met_share.asc().nulls_last())
        .limit(200)
    )
    return [
        SlaReportLine(
            key=str(key) if key is not None else None,
            tickets=count,
            met_pct=_tenths(share),
            median_first_response=_tenths(first),
            median_resolution=_tenths(resolution),
        )
        for key, count, share, first, resolution in (await tx.session.execute(statement)).all()
    ]


def _tenths(value: float | Decimal | None) -> Decimal | None:
    return None if value is None else round(Decimal(value), 1)


@query("support.ticket.read")
async def my_queue(tx: Transaction) -> list[models.Ticket]:
    """Return the caller's open tickets and the unassigned ones of their teams, soonest due first; at most 100."""
    me = tx.principal.user
    teams = await tx.all(select(models.SupportTeam).where(models.SupportTeam.active).limit(200))
    own_teams = [team.id for team in teams if me is not None and team.has(me)]
    unassigned = models.Ticket.assignee_user_id.is_(None)
    statement = (
        select(models.Ticket)
        .where(
            models.Ticket.status.not_in(desk.DONE),
            or_(models.Ticket.assignee_user_id == me, unassigned & models.Ticket.team_id.in_(own_teams)),
        )
        .order_by(models.Ticket.resolution_due_at.asc().nulls_last(), models.Ticket.opened_at, models.Ticket.id)
        .limit(100)
    )
    return list(await tx.all(statement))


@card("support.ticket.read")
async def support_card(tx: Transaction) -> SupportDashboard:
    """Open tickets by priority, promises broken today, the median first response of 30 days."""
    today = await tx.today()
    zone = (await tx.tenant()).time_zone
    waiting = (
        select(models.Ticket.priority, func.count(models.Ticket.id))
        .where(models.Ticket.status.not_in(desk.DONE))
        .group_by(models.Ticket.priority)
    )
    counts = {priority: count for priority, count in (await tx.session.execute(waiting)).all()}
    due_day = func.date(func.timezone(zone, models.SlaTimer.due_at))
    timer = models.SlaTimer
    of_ticket = models.Ticket.id == timer.ticket_id
    breached = (
        select(func.count(timer.id))
        .join(models.Ticket, of_ticket)
        .where(timer.status == SlaTimerStatus.BREACHED, due_day == today)
    )
    median = (
        select(func.percentile_cont(0.5).within_group(timer.elapsed_minutes))
        .join(models.Ticket, of_ticket)
        .where(
            timer.kind == SlaTimerKind.FIRST_RESPONSE,
            timer.status.in_(_MEASURED),
            timer.updated_at > tx.now() - timedelta(days=30),
        )
    )
    return SupportDashboard(
        open_by_priority=tuple(TicketsOfPriority(priority=one, open=counts.get(one, 0)) for one in TicketPriority),
        breached_today=(await tx.session.execute(breached)).scalar_one(),
        median_first_response=_tenths((await tx.session.execute(median)).scalar_one()),
    )
