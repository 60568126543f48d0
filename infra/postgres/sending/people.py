"""Whom templates have reached outside their windows in the last 24 hours: Meta limits how many people a day. Raises
psycopg errors."""

from time import monotonic
from typing import Any, LiteralString

from psycopg import Connection

from domain.sending.pacing import PeopleLeft, people_left

_FASTEST = 1000.0
"""People a second whom all senders together may reach at most: Meta's highest throughput."""
_LONGEST_SECONDS = 10.0
_FULL_SECONDS = 1.0
"""Once nobody is left: that somebody is again may be noticed so late."""


PEOPLE_REACHED: LiteralString = (
    "(select count(distinct r.recipient) from sends r where r.reaches_person "
    "and r.claimed_at > clock_timestamp() - interval '24 hours' "
    "and r.state in ('sending', 'accepted', 'sent', 'delivered', 'read', 'played', 'unknown', 'assumed_sent'))"
)
"""How many people templates have reached, or may have, from all numbers. O(their sends)."""


def people_reached(connection: Connection[Any]) -> int:
    """Returns how many people templates have reached outside a window in the last 24 hours."""
    row = connection.execute(f"select {PEOPLE_REACHED}").fetchone()
    assert row is not None
    return int(row[0])


class ReachedPeople:
    """How many people are left of the limit, which is one for all numbers of a company. They are counted again the
    sooner the closer they are to it, because that takes as long as there are many."""

    def __init__(self) -> None:
        self._reached = 0
        self._count_at = 0.0

    def left(self, connection: Connection[Any], people_per_day: int | None) -> PeopleLeft | None:
        """Returns how many people are left of a limit; None: there is none."""
        if people_per_day is not None and monotonic() >= self._count_at:
            self._reached = people_reached(connection)
            left = people_per_day - self._reached
            seconds = min(left / _FASTEST, _LONGEST_SECONDS) if left > 0 else _FULL_SECONDS
            self._count_at = monotonic() + seconds
        return people_left(people_per_day, self._reached)

    def add(self, people: int) -> None:
        """Counts people whom this process reaches."""
        self._reached += people
