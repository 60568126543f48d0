"""Whether a number was open when the customer wrote."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.conversations.evidence.opening_hours import is_open, next_change, open_for
from domain.directory import Number, Opening, Weekday

SHOP = Number(
    "106",
    time_zone="Europe/Rome",
    hours={
        "mon": (Opening(time(9), time(13)), Opening(time(14), time(18))),
        "sat": (Opening(time(22), time.max),),
        "sun": (Opening(time(0), time(4)),),
    },
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-07-06T07:00", True),  # Monday 09:00 in Rome
        ("2026-07-06T06:59:59.999999", False),
        ("2026-07-06T11:00", False),  # 13:00: the break
        ("2026-07-06T12:00", True),
        ("2026-07-06T16:00", False),
        ("2026-07-07T08:00", False),  # Tuesday has no hours
    ],
)
def test_an_opening_includes_its_start_and_excludes_its_end(at: str, expected: bool) -> None:
    assert expected == is_open(SHOP, utc(at))


@pytest.mark.parametrize(
    ("at", "expected"), [("2026-01-05T08:00", True), ("2026-07-06T06:30", False), ("2026-01-05T07:30", False)]
)
def test_hours_are_local_times_in_winter_and_summer(at: str, expected: bool) -> None:
    assert expected == is_open(SHOP, utc(at))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-07-04T21:59:59.999999", True),  # Saturday, the last microsecond before 24:00
        ("2026-07-04T22:00", True),  # Sunday 00:00
        ("2026-07-05T02:00", False),  # Sunday 04:00
    ],
)
def test_an_opening_until_midnight_continues_without_a_gap_on_the_next_day(at: str, expected: bool) -> None:
    assert expected == is_open(SHOP, utc(at))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-29T01:59", True),  # Sunday: clocks go from 02:00 to 03:00, so 03:59 in Rome
        ("2026-03-29T02:00", False),
        ("2026-10-25T02:59", True),  # Sunday: 03:59 for good, the hour from 02:00 was there twice
        ("2026-10-25T03:00", False),
    ],
)
def test_on_the_days_when_clocks_change_the_local_time_counts(at: str, expected: bool) -> None:
    assert expected == is_open(SHOP, utc(at))


def test_the_day_is_the_local_day() -> None:
    tokyo = Number("1", time_zone="Asia/Tokyo", hours={"mon": (Opening(time(8), time(9)),)})
    assert is_open(tokyo, utc("2026-07-05T23:30"))


def test_without_hours_a_number_is_always_open() -> None:
    assert is_open(Number("106"), utc("2026-07-05T03:00"))


def test_a_day_without_openings_is_closed() -> None:
    assert not is_open(Number("106", hours={}), utc("2026-07-05T03:00"))


@pytest.mark.parametrize("day", range(7))
def test_each_day_of_the_week_has_its_own_openings(day: int) -> None:
    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    number = Number("106", hours={days[day]: (Opening(time(9), time(10)),)})
    monday = utc("2026-07-06T09:30")
    assert [n == day for n in range(7)] == [is_open(number, monday + timedelta(days=n)) for n in range(7)]


@pytest.mark.parametrize(
    ("since", "minutes", "expected"),
    [
        ("2026-07-06T07:00", 10, "2026-07-06T07:10"),  # Monday 09:00 in Rome
        ("2026-07-06T05:00", 10, "2026-07-06T07:10"),  # before the first opening
        ("2026-07-06T10:55", 10, "2026-07-06T12:05"),  # over the break
        ("2026-07-06T10:50", 10, "2026-07-06T11:00"),  # until the last moment
        ("2026-07-04T20:00", 6 * 60, "2026-07-05T02:00"),  # Saturday 22:00 over midnight
        ("2026-07-06T15:55", 10, "2026-07-11T20:05"),  # Monday evening: the next opening is on Saturday
    ],
)
def test_the_time_that_a_number_is_open_is_counted_over_its_openings(since: str, minutes: int, expected: str) -> None:
    assert utc(expected) == open_for(SHOP, utc(since), timedelta(minutes=minutes))


def test_a_number_without_hours_is_open_all_the_time_and_one_without_openings_never() -> None:
    since, length = utc("2026-07-06T07:00"), timedelta(minutes=10)
    assert since + length == open_for(Number("1"), since, length)
    assert open_for(Number("1", hours={}), since, length) is None


CHANGES = [("Europe/Rome", "2026-03-29"), ("Europe/Rome", "2026-10-25"), ("Africa/Cairo", "2026-04-24")]
"""In Rome the hour from 02:00 is skipped on the first day, and comes twice on the second; in Cairo that from 00:00 is
skipped."""


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@settings(max_examples=25)
@given(
    start=st.sampled_from([0, 30, 90, 120, 150, 180]),
    length=st.sampled_from([15, 60, 300]),
    after=st.sampled_from([-30, 10, 70, 125, 155, 200]),
)
def test_when_a_number_opens_or_closes_next_is_when_it_does(
    zone: str, day: str, start: int, length: int, after: int
) -> None:
    """Also in the night in which clocks change, looked at every five minutes."""
    weekdays: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    opening = Opening(time(*divmod(start, 60)), time(*divmod(start + length, 60)))
    bar = Number("106", time_zone=zone, hours=dict.fromkeys(weekdays, (opening,)))
    since = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) + timedelta(minutes=after)
    states = [(at, is_open(bar, at)) for at in (since + n * timedelta(minutes=5) for n in range(28 * 12))]
    assert next_change(bar, since) == next((at for at, state in states if state != states[0][1]), None)
    first = next(at for at, state in states if state)
    assert open_for(bar, since, timedelta(minutes=5)) == first + timedelta(minutes=5)
