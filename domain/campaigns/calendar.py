"""When a campaign may be sent to recipients of a time zone: not before its start, and not in their quiet hours."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from domain.campaigns.campaign import Campaign, start_in

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


class SendingHours(NamedTuple):
    """Whether messages may be sent now. `until`: when that changes; None: it does not by itself."""

    is_open: bool
    until: datetime | None


def opening(campaign: Campaign, zone: str, now: datetime) -> SendingHours:
    """Returns whether a campaign may be sent now to recipients of a time zone. `now`: aware UTC."""
    begins_at = start_in(campaign, zone)
    if begins_at is not None and now < begins_at:
        return SendingHours(False, begins_at)
    quiet = campaign.terms.get("quiet")
    return outside_quiet_hours(quiet, zone, now) if quiet else SendingHours(True, None)


def outside_quiet_hours(quiet: Mapping[str, Any], zone: str, now: datetime) -> SendingHours:
    """Returns whether `now` is outside quiet hours by the clock of a time zone. `quiet`: start and end, as times of
    day. Where the clock is put back over one of them, they begin the first time it shows the start, and end the last
    time it shows the end; where it is put forward, when it is."""
    start, end = time.fromisoformat(quiet["start"]), time.fromisoformat(quiet["end"])
    tz = ZoneInfo(zone)
    today = now.astimezone(tz).date()
    nights = [_night(today + timedelta(days=days), start, end, tz) for days in range(-2, 3)]
    around = [ends for begins, ends in nights if begins <= now < ends]
    if not around:
        return SendingHours(True, min(begins for begins, _ in nights if begins > now))
    until = max(around)
    for begins, ends in nights:  # one may begin before the last is over, in the night in which the clock is put back
        if begins <= until < ends:
            until = ends
    return SendingHours(False, until)


def _night(day: date, start: time, end: time, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """Returns when the quiet hours that begin on a day begin and end."""
    return _moment(day, start, tz, last=False), _moment(day if start < end else day + _DAY, end, tz, last=True)


def _moment(day: date, clock: time, tz: ZoneInfo, *, last: bool) -> datetime:
    """Returns when a clock shows a time, the first or the last time if it does so twice, or when it is put forward over
    it."""
    wall = datetime.combine(day, clock, tz)
    first, second = wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
    if first <= second:
        return second if last else first
    before, after = second, first  # the clock never shows it
    offset = before.astimezone(tz).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(tz).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
