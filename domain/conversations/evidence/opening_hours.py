"""Working hours of a number (domain.md, The number's menu), in local wall-clock time."""

from datetime import datetime, time
from functools import cache
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
