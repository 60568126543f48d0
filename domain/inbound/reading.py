"""The result of reading a webhook body: facts to publish, and unreadable parts for the dead-letter store
(webhooks.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.facts import Fact

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a sender's time may be ahead of the time of arrival. Later times are clamped."""


@dataclass(frozen=True, slots=True)
class UnreadablePart:
    """A signed body, or one update of it, that the reader cannot interpret. `raw`: a body with only this update, which
    the same reader can read again, so that it can be replayed after a fix. `reason`: names the field."""

    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class BodyReading:
    """All updates of a body, in order: `len(facts) + len(unreadable)` is their number, none is lost."""

    facts: Sequence[Fact]
    unreadable: Sequence[UnreadablePart]


def clamp(sent_at: datetime, received_at: datetime) -> datetime:
    """Returns the time that the rules use: the sender's, but at most `CLOCK_TOLERANCE` after arrival."""
    return min(sent_at, received_at + CLOCK_TOLERANCE)
