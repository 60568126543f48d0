"""When a campaign may be sent to recipients of a time zone: not before its start, and not in their quiet hours."""

from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from domain.campaigns.campaign import Campaign


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
    if not quiet:
        return SendingHours(True, None)
    start, end = time.fromisoformat(quiet["start"]), time.fromisoformat(quiet["end"])
    local = now.astimezone(ZoneInfo(zone))
    clock = local.time().replace(tzinfo=None)
    is_quiet = start <= clock < end if start < end else clock >= start or clock < end
    changes_at = end if is_quiet else start
    days = 0 if changes_at > clock else 1
    until = datetime.combine(local.date() + timedelta(days=days), changes_at, local.tzinfo)
    return SendingHours(not is_quiet, until.astimezone(now.tzinfo))


def start_in(campaign: Campaign, zone: str) -> datetime | None:
    """Returns when a campaign begins for recipients of a time zone: at the same time of day as in the campaign's own,
    if it is sent in each recipient's time; None: at once."""
    if campaign.start_at is None or not campaign.in_own_time:
        return campaign.start_at
    own = ZoneInfo(campaign.terms.get("zone") or "UTC")
    wall = campaign.start_at.astimezone(own).replace(tzinfo=None)
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(campaign.start_at.tzinfo)
