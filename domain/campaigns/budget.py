"""How many people a campaign may reach now, and how many when: Meta limits whom templates reach outside their windows
in 24 hours (docs/design/campaigns.md, *Budget*)."""

import heapq
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.sending.pacing import people_left

_DAY = timedelta(hours=24)
_MOST_DAYS = 60
"""Nobody plans further ahead; the rest is shown as such."""


class ReachEnd(NamedTuple):
    """So many people were reached 24 hours before: they do not count any more from then on."""

    at: datetime
    people: int


class DayShare(NamedTuple):
    """So many people can be reached from a time on, the last of them by `until`."""

    at: datetime
    until: datetime
    people: int


class PeopleBudget(NamedTuple):
    """How a campaign fits into the limit of people a day. `needed`: people outside a window; `limit`: Meta's, None: it
    has none; `used`: reached in the last 24 hours, by all numbers; `now`: how many can be reached at once; `later`:
    how many when; `rest`: for whom no time can be foreseen."""

    needed: int
    limit: int | None
    used: int
    now: int
    later: list[DayShare]
    rest: int


def people_budget(needed: int, limit: int | None, releases: Iterable[ReachEnd], now: datetime) -> PeopleBudget:
    """Returns how a campaign fits into the limit, if nobody else sends and its number is fast enough. `releases`: those
    reached in the last 24 hours."""
    waiting = sorted(releases)
    used = sum(each.people for each in waiting)
    allowed, free = people_left(limit, 0), people_left(limit, used)
    if allowed is None or free is None:
        return PeopleBudget(needed, None, used, needed, [], 0)
    at_once = min(needed, free.campaigns)
    rest = needed - at_once
    beyond = max(0, used - allowed.campaigns)  # they have to be released before anybody else can be reached
    heap = [*waiting, ReachEnd(now + _DAY, at_once)]
    heapq.heapify(heap)
    days: dict[int, DayShare] = {}
    while rest and heap and heap[0].at < now + _MOST_DAYS * _DAY:
        at, people = heapq.heappop(heap)
        kept = min(beyond, people)
        beyond -= kept
        if (reached := min(rest, people - kept)) > 0:
            rest -= reached
            day = (at - now) // _DAY
            share = days.get(day, DayShare(at, at, 0))
            days[day] = DayShare(share.at, at, share.people + reached)
            heapq.heappush(heap, ReachEnd(at + _DAY, reached))
    return PeopleBudget(needed, limit, used, at_once, [days[day] for day in sorted(days)], rest)


def goes_on_at(limit: int | None, releases: Iterable[ReachEnd], now: datetime) -> datetime | None:
    """Returns when campaigns can reach people again, if their share of the limit is used up; None: it is not."""
    waiting = sorted(releases)
    used = sum(each.people for each in waiting)
    for at, people in [ReachEnd(now, 0), *waiting]:
        used -= people
        left = people_left(limit, used)
        if left is None or left.campaigns > 0:
            return at if at > now else None
    return None
