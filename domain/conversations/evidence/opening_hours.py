"""Working hours of a number (domain.md, The number's menu), in local wall-clock time."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from domain.directory import Number, Weekday

_WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_zone = cache(ZoneInfo)  # ZoneInfo itself caches only eight


def is_open(number: Number, at: datetime) -> bool:
    """Returns whether the number is open at `at`: within an opening of the local day, or always if the number has no
    hours. Raises ZoneInfoNotFoundError for a time zone that does not exist (the directory file rejects it earlier)."""
    if number.hours is None:
        return True
    local = at.astimezone(_zone(number.time_zone))
    clock = local.time()
    return any(
        opening.start <= clock and (clock < opening.end or opening.end == time.max)
        for opening in number.hours.get(_WEEKDAYS[local.weekday()], ())
    )


_DAYS = 8
"""Local days that are looked at: each weekday at least once."""


def open_for(number: Number, since: datetime, length: timedelta) -> datetime | None:
    """Returns when the number has been open for `length` since that time (aware UTC); None: not within a week."""
    if number.hours is None:
        return since + length
    counted, left = since, length
    for opens, ends in _openings(number, since):
        begins = max(opens, counted)
        if begins + left <= ends:
            return begins + left
        if ends > begins:
            counted, left = ends, left - (ends - begins)
    return None


def next_change(number: Number, since: datetime) -> datetime | None:
    """Returns when the number opens or closes next, after that time (aware UTC); None: not within a week."""
    if number.hours is None:
        return None
    now_open = is_open(number, since)
    edges = sorted({edge for opening in _openings(number, since) for edge in opening})
    return next((at for at in edges if at > since and is_open(number, at) != now_open), None)


def _openings(number: Number, since: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yields when the number is open from that local day on, in UTC and in order."""
    today, zone = since.astimezone(_zone(number.time_zone)).date(), _zone(number.time_zone)

    def moment(day: date, clock: time) -> datetime:
        return datetime.combine(day, clock, zone).astimezone(UTC)

    odd = _odd_days(number.time_zone, today)
    for day in (today + timedelta(days=n) for n in range(_DAYS)):
        if day in odd:
            yield from _around(number, day)
            continue
        openings = (number.hours or {}).get(_WEEKDAYS[day.weekday()], ())
        for opening in sorted(openings, key=lambda opening: opening.start):
            midnight = opening.end == time.max
            end = moment(day + timedelta(days=1), time()) if midnight else moment(day, opening.end)
            yield moment(day, opening.start), end


def _around(number: Number, day: date) -> Iterator[tuple[datetime, datetime]]:
    """Yields when the number is open on a day on which clocks change, perhaps as it begins: a time of that day may come
    twice or never."""
    zone, change = _zone(number.time_zone), _clock_change(number.time_zone, day)
    begins, ends = _whole_day(number.time_zone, day)
    openings = (number.hours or {}).get(_WEEKDAYS[day.weekday()], ())
    clocks = [datetime.combine(day, clock, zone) for each in openings for clock in (each.start, each.end)]
    times = (clock.replace(fold=fold).astimezone(UTC) for clock in clocks for fold in (0, 1))
    edges = sorted({begins, change or begins, ends, *(at for at in times if begins < at < ends)})
    yield from ((at, until) for at, until in pairwise(edges) if is_open(number, at))


@lru_cache(maxsize=4096)
def _odd_days(time_zone: str, first: date) -> frozenset[date]:
    """Returns those of the days that are looked at on which clocks change, or change as the day begins."""
    days = [first + timedelta(days=n) for n in range(_DAYS)]
    return frozenset(
        day
        for day in days
        if any(_clock_change(time_zone, each) is not None for each in (day - timedelta(days=1), day))
    )


def _clock_change(time_zone: str, day: date) -> datetime | None:
    """Returns when clocks change on a local day, to the second; None: they do not."""
    zone = _zone(time_zone)
    low, high = _whole_day(time_zone, day)
    before = low.astimezone(zone).utcoffset()
    if before == high.astimezone(zone).utcoffset():
        return None
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def _whole_day(time_zone: str, day: date) -> tuple[datetime, datetime]:
    """Returns when a local day begins and ends, in UTC."""
    zone = _zone(time_zone)
    first, second = (datetime.combine(each, time(), zone) for each in (day, day + timedelta(days=1)))
    return first.astimezone(UTC), second.astimezone(UTC)
