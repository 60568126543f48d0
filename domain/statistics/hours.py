"""For how long agents were ready or paused. Their presence is looked at again and again; what was seen counts for the
time since the look before."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.directory import Directory
from domain.routing.agents import Member

LOOK_EVERY = timedelta(minutes=1)
LONGEST = timedelta(minutes=3)
"""What was longer ago counts for nobody: nothing was looking."""


class AgentHours(NamedTuple):
    """For how many seconds an agent was ready, and paused."""

    agent_id: str
    ready_s: int
    paused_s: int


def seen_hours(
    members: Iterable[Member], now: datetime, presence_timeout: timedelta, elapsed: timedelta
) -> Iterator[AgentHours]:
    """Yields what a look adds, in the order of the agents. `elapsed`: since the look before."""
    seconds = round(elapsed.total_seconds())
    if not 0 < seconds <= LONGEST.total_seconds():
        return
    for member in sorted(members, key=lambda each: each.id):
        if member.is_presence_stale(now, presence_timeout):
            continue
        if member.state == "ready":
            yield AgentHours(member.id, seconds, 0)
        elif member.state == "paused":
            yield AgentHours(member.id, 0, seconds)


def place_of_most(directory: Directory) -> str:
    """Returns the time zone of most numbers; agents have none of their own."""
    zones = Counter(number.time_zone for number in directory.numbers.values())
    return min(zones, key=lambda zone: (-zones[zone], zone), default="UTC")
