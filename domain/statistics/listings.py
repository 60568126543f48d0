"""When a conversation was on the list of unmanaged ones, and which of these times count as *left alone*."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.statistics.observed import Observed, ObservedEvent

LEFT_ALONE_AFTER = timedelta(minutes=5)
"""A customer who is on the list for a shorter time was still choosing from the menu, or was helped at once: that counts
as left alone only while it lasts, or if the conversation ends meanwhile."""

DISMISSED = "dismissed"
"""The event by which somebody says that a conversation needs no answer."""

_BY_A_WORD = ("managed", "corrected", "reopened", "closed", "customer_changed")
"""The first events of a change by which a human word may have ended a stay on the list."""


class Listing(NamedTuple):
    """One stay on the list. `ended_by`: the event that ended it; None: it lasts, or the conversation is over.
    `ends_at`: when it ended, or when the conversation did. `reason`: the last one."""

    since: datetime
    reason: str
    ends_at: datetime | None = None
    ended_by: ObservedEvent | None = None
    was_closed: bool = False

    @property
    def counts(self) -> bool:
        """Whether the customer was left alone."""
        if self.ends_at is None or (self.was_closed and self.ended_by is None):
            return True
        return self.ends_at - self.since >= LEFT_ALONE_AFTER

    @property
    def seconds(self) -> int | None:
        """How long it took; None: it lasts."""
        return None if self.ends_at is None else max(0, int((self.ends_at - self.since).total_seconds()))


def is_listed(event: ObservedEvent) -> bool:
    """Returns whether the conversation is on the list right after the event, among the active or the closed ones."""
    return event.reason is not None and event.name != DISMISSED


def listings(seen: Observed) -> list[Listing]:
    """Returns the stays on the list in order."""
    return [*_listings(seen.events, seen.head.first_word_at)]


def _listings(events: Sequence[ObservedEvent], first_word_at: datetime | None) -> Iterator[Listing]:
    now: Listing | None = None
    for event in events:
        if is_listed(event):
            since = now or Listing(event.at, event.reason or "")
            closed = event.name == "closed"
            ends_at = (since.ends_at or event.at) if closed else None
            now = since._replace(reason=event.reason or "", was_closed=closed, ends_at=ends_at)
        elif now is not None:
            yield now._replace(ended_by=event, ends_at=_end(now, event, first_word_at))
            now = None
        if event.name == "managed":
            first_word_at = None  # it ends only the stay in which it was written
    if now is not None:
        yield now


def _end(listing: Listing, event: ObservedEvent, first_word_at: datetime | None) -> datetime:
    """Returns when a stay really ended: a human word may have become known long after it was written."""
    if first_word_at is None or event.name not in _BY_A_WORD:
        return event.at
    return max(listing.since, min(event.at, first_word_at))
