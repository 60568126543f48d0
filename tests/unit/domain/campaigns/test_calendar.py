"""Quiet hours by the clock of a time zone, also in the nights in which it is put forward or back."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.campaigns.calendar import opening, outside_quiet_hours
from tests.unit.domain.campaigns.test_campaign import AUTUMN, NOON

ROME = "Europe/Rome"
ZONES = (ROME, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "UTC")
QUIET = {"start": "20:00", "end": "09:00"}
FORWARD, BACK = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
"""Days on which the clock of Rome is put forward at 2:00 and back at 3:00."""

YEARS = (datetime(2025, 1, 1), datetime(2027, 12, 31))  # noqa: DTZ001 - hypothesis draws times without a zone

quiets = st.tuples(st.times(), st.times()).filter(lambda pair: pair[0] != pair[1])
moments = st.one_of(
    st.datetimes(YEARS[0], YEARS[1]),
    st.sampled_from((FORWARD, BACK)).flatmap(
        lambda day: st.integers(-36 * 60, 36 * 60).map(lambda m: (day + timedelta(minutes=m)).replace(tzinfo=None))
    ),
)


def terms(start: time, end: time) -> dict[str, str]:
    return {"start": start.isoformat(), "end": end.isoformat()}


@given(moments, quiets, st.sampled_from(ZONES))
def test_it_stays_as_it_is_until_the_time_that_is_named_and_changes_then(
    at: datetime, quiet: tuple[time, time], zone: str
) -> None:
    now = at.replace(tzinfo=UTC)
    hours = outside_quiet_hours(terms(*quiet), zone, now)
    assert hours.until is not None
    assert now < hours.until <= now + timedelta(hours=50)
    middle = now + (hours.until - now) / 2
    assert hours == outside_quiet_hours(terms(*quiet), zone, middle)
    assert hours == outside_quiet_hours(terms(*quiet), zone, hours.until - timedelta(microseconds=1))
    assert hours.is_open != outside_quiet_hours(terms(*quiet), zone, hours.until).is_open


@given(moments, quiets, st.sampled_from(ZONES))
def test_nothing_is_sent_at_a_time_of_day_that_is_quiet(at: datetime, quiet: tuple[time, time], zone: str) -> None:
    now, (start, end) = at.replace(tzinfo=UTC), quiet
    local = now.astimezone(ZoneInfo(zone))
    assume(local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset())
    clock = local.time()
    is_quiet = start <= clock < end if start < end else clock >= start or clock < end
    offsets = {(now + timedelta(hours=hours)).astimezone(ZoneInfo(zone)).utcoffset() for hours in range(-30, 31, 3)}
    if len(offsets) == 1:
        assert is_quiet != outside_quiet_hours(terms(start, end), zone, now).is_open
    elif is_quiet:  # in a night in which the clock is put back they may last longer, never shorter
        assert not outside_quiet_hours(terms(start, end), zone, now).is_open


def at(day: datetime, hour: int, minute: int = 0) -> datetime:
    return day.replace(hour=hour, minute=minute)


@pytest.mark.parametrize(
    ("day", "quiet", "now", "until"),
    [
        (FORWARD, {"start": "02:30", "end": "05:00"}, at(FORWARD, 0), at(FORWARD, 1)),  # there is no 2:30
        (FORWARD, {"start": "22:00", "end": "02:30"}, at(FORWARD, 0), at(FORWARD, 1)),
        (BACK, {"start": "02:30", "end": "05:00"}, at(BACK, 0), at(BACK, 0, 30)),  # the first 2:30
        (BACK, {"start": "22:00", "end": "02:30"}, at(BACK, 0, 10), at(BACK, 1, 30)),  # the second one
    ],
)
def test_in_the_night_in_which_the_clock_changes(
    day: datetime, quiet: dict[str, str], now: datetime, until: datetime
) -> None:
    assert until == outside_quiet_hours(quiet, ROME, now).until


def test_a_campaign_in_everybodys_own_time_waits_for_that_and_for_the_end_of_quiet_hours() -> None:
    campaign = AUTUMN.__class__(
        *(AUTUMN.id, "Autumn", "1", "a", {}, False, {"zone": ROME, "quiet": QUIET}, "paola", NOON),
        start_at=datetime(2026, 12, 2, 8, tzinfo=UTC),  # 9:00 in Rome
        in_own_time=True,
    )
    eight_utc = datetime(2026, 12, 2, 8, tzinfo=UTC)
    assert (True, datetime(2026, 12, 2, 19, tzinfo=UTC)) == opening(campaign, ROME, eight_utc)
    assert (False, datetime(2026, 12, 2, 14, tzinfo=UTC)) == opening(campaign, "America/New_York", eight_utc)
    assert (True, datetime(2026, 12, 2, 11, tzinfo=UTC)) == opening(campaign, "Asia/Tokyo", eight_utc)
