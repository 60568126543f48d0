"""Working hours of a number (domain.md, The number's menu), in local wall-clock time."""

from datetime import datetime, time
from functools import cache
from zoneinfo import ZoneInfo

from domain.directory import Number, Weekday

_WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_zone = cache(ZoneInfo)  # ZoneInfo itself keeps only eight


def is_open(number: Number, at: datetime) -> bool:
    """Whether `at` lies in an opening of its local day; without hours always. Raises ZoneInfoNotFoundError for a time
    zone that does not exist (the directory file refuses it before)."""
    if number.hours is None:
        return True
    local = at.astimezone(_zone(number.time_zone))
    clock = local.time()
    return any(
        opening.start <= clock and (clock < opening.end or opening.end == time.max)
        for opening in number.hours.get(_WEEKDAYS[local.weekday()], ())
    )
