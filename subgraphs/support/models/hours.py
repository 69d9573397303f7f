"""Business time: the minutes that count, between instants and from one on (SUP-3). Pure; it knows no rows."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from pydantic import Field

from shared.errors import Invalid
from shared.values import Part, TimeZone

_DAYS_AHEAD = 3660  # no promise reaches further than ten years
_DAY_END = "24:00"
Span = tuple[datetime, datetime]


class BusinessHours(Part):
    """Open hours of a weekday (1 Monday to 7 Sunday) in wall-clock time, `from` 09:00 `to` 17:30; `to` may be 24:00."""

    weekday: int = Field(ge=1, le=7)
    from_: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    to: str = Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")


class Holiday(Part):
    """A day on which no minute counts."""

    date: date


class SlaTerms(Part):
    """What a policy promises, frozen in the timer at the opening (SUP-2). Without hours every minute counts."""

    name: str
    first_response_minutes: int | None = None
    resolution_minutes: int | None = None
    timezone: TimeZone
    business_hours: tuple[BusinessHours, ...] = ()
    holidays: tuple[Holiday, ...] = ()

    def check(self) -> None:
        """Raise Invalid where hours of a day end before they begin, or overlap."""
        for weekday in range(1, 8):
            hours = sorted((one.from_, one.to) for one in self.business_hours if one.weekday == weekday)
            if any(to <= from_ for from_, to in hours):
                raise Invalid("Hours must end after they begin; write a night as two days.", "businessHours")
            if any(later[0] < earlier[1] for earlier, later in pairwise(hours)):
                raise Invalid("The hours of a day overlap: join them.", "businessHours")

    def minutes_between(self, start: datetime, end: datetime, pauses: Sequence[Span] = ()) -> int:
        """Return the whole business minutes from `start` to `end`, less pauses."""
        total = timedelta()
        for opened, closed in self._counting(start, pauses):
            if opened >= end:
                break
            total += min(closed, end) - opened
        return int(total.total_seconds() // 60)

    def due(self, start: datetime, minutes: int, pauses: Sequence[Span] = ()) -> datetime | None:
        """Return the instant at which `minutes` business minutes after `start` are used up; None where none ever is."""
        left = timedelta(minutes=minutes)
        for opened, closed in self._counting(start, pauses):
            if closed - opened >= left:
                return opened + left
            left -= closed - opened
        return None

    def _counting(self, start: datetime, pauses: Sequence[Span]) -> Iterator[Span]:
        """Yield the spans that count from `start` on, in order: open, and not paused."""
        for opened, closed in self._open(start):
            for paused, resumed in sorted(pauses):
                if resumed <= opened or paused >= closed:
                    continue
                if paused > opened:
                    yield opened, paused
                opened = max(opened, resumed)
            if opened < closed:
                yield opened, closed

    def _open(self, start: datetime) -> Iterator[Span]:
        if not self.business_hours:
            yield start, start + timedelta(days=_DAYS_AHEAD)
            return
        zone = ZoneInfo(self.timezone)
        first = start.astimezone(zone).date()
        closed_on = {holiday.date for holiday in self.holidays}
        for ahead in range(_DAYS_AHEAD):
            day = first + timedelta(days=ahead)
            if day in closed_on:
                continue
            for hours in sorted(self.business_hours, key=lambda one: one.from_):
                if hours.weekday != day.isoweekday():
                    continue
                opened, closed = _instants(day, hours, zone)
                if closed > start and opened < closed:
                    yield max(opened, start), closed


def _instants(day: date, hours: BusinessHours, zone: ZoneInfo) -> Span:
    """Return a day's hours as instants. An hour that the clocks repeat counts twice, one that they skip not at all."""
    opened = datetime.combine(day, time.fromisoformat(hours.from_), zone)
    if hours.to == _DAY_END:
        closed = datetime.combine(day + timedelta(days=1), time(), zone)
    else:
        closed = datetime.combine(day, time.fromisoformat(hours.to), zone).replace(fold=1)
    return opened.astimezone(UTC), closed.astimezone(UTC)
