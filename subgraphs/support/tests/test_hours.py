"""Business minutes: zones, holidays, clocks that change, pauses."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Invalid
from subgraphs.support.models.hours import BusinessHours, Holiday, SlaTerms

BERLIN = "Europe/Berlin"
WEEK = tuple(BusinessHours(weekday=day, from_="09:00", to="17:00") for day in range(1, 6))
NIGHT = tuple(BusinessHours(weekday=day, from_="00:00", to="24:00") for day in range(1, 8))


def terms(hours: tuple[BusinessHours, ...] = WEEK, zone: str = BERLIN, *holidays: date) -> SlaTerms:
    return SlaTerms(
        name="P", timezone=zone, business_hours=hours, holidays=tuple(Holiday(date=one) for one in holidays)
    )


def at(text: str, zone: str = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_minutes_count_only_inside_business_hours() -> None:
    """SUP-3"""
    friday, monday = at("2026-06-05 16:30"), at("2026-06-08 09:45")

    assert terms().minutes_between(friday, monday) == 75
    assert terms().due(friday, 75) == monday


def test_a_holiday_counts_no_minute() -> None:
    """SUP-3"""
    closed = terms(WEEK, BERLIN, date(2026, 6, 8))

    assert closed.due(at("2026-06-05 16:30"), 75) == at("2026-06-09 09:45")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-07", 24)])
def test_the_days_on_which_clocks_change_count_their_real_length(day: str, hours: int) -> None:
    """SUP-3"""
    start = at(f"{day} 00:00")
    following = date.fromisoformat(day).toordinal() + 1
    end = at(f"{date.fromordinal(following)} 00:00")

    assert terms(NIGHT).minutes_between(start, end) == hours * 60


def test_the_zone_of_the_policy_decides_not_that_of_the_caller() -> None:
    """SUP-3"""
    start = at("2026-06-08 09:00", "Asia/Shanghai")

    assert terms(WEEK, "Asia/Shanghai").due(start, 60) == at("2026-06-08 10:00", "Asia/Shanghai")
    assert terms(WEEK, "America/Chicago").due(start, 60) == at("2026-06-08 10:00", "America/Chicago")


def test_a_pause_moves_the_due_time_by_the_minutes_it_took_out() -> None:
    """SUP-3"""
    start = at("2026-06-08 09:00")
    pause = (at("2026-06-08 10:00"), at("2026-06-09 10:00"))

    assert terms().due(start, 120, [pause]) == at("2026-06-09 11:00")
    assert terms().minutes_between(start, at("2026-06-09 11:00"), [pause]) == 120


def test_without_hours_every_minute_counts() -> None:
    start = at("2026-06-06 23:00")

    assert terms(()).due(start, 120) == at("2026-06-07 01:00")


def test_hours_that_never_come_give_no_due_time() -> None:
    holiday_only = SlaTerms(
        name="P", timezone="UTC", business_hours=(BusinessHours(weekday=1, from_="02:30", to="02:30"),)
    )

    assert holiday_only.due(at("2026-06-06 23:00"), 1) is None


@pytest.mark.parametrize("second", [("16:00", "18:00"), ("18:00", "17:00")])
def test_hours_that_overlap_or_end_before_they_begin_are_refused(second: tuple[str, str]) -> None:
    wrong = BusinessHours(weekday=1, from_=second[0], to=second[1])

    with pytest.raises(Invalid):
        terms((*WEEK, wrong)).check()


YEAR = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 365 * 24 * 60).map(lambda minutes: YEAR + timedelta(minutes=minutes))


@given(
    start=INSTANTS, minutes=st.integers(1, 5000), zone=st.sampled_from([BERLIN, "Asia/Kathmandu", "Africa/Casablanca"])
)
def test_what_is_due_is_reached_after_exactly_its_minutes(start: datetime, minutes: int, zone: str) -> None:
    """SUP-3"""
    due = terms(WEEK, zone).due(start, minutes)

    assert due is not None
    assert terms(WEEK, zone).minutes_between(start, due) == minutes
