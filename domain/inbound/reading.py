"""The result of reading a webhook body: facts to publish, and unreadable parts for the dead-letter store
(webhooks.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.facts import AgentFact, AgentPresenceChanged, BotFact, Fact

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far Meta's time may be ahead of the time of arrival. Later times are clamped."""
DESKTOP_TOLERANCE = timedelta(seconds=2)
"""The same for bots and agent desktops, whose clocks are the less reliable ones: an end that seems to lie in the future
would hide what the customer writes until then."""


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


def clamp(sent_at: datetime, received_at: datetime, tolerance: timedelta = CLOCK_TOLERANCE) -> datetime:
    """Returns the time that the rules use: the sender's, but at most `tolerance` after arrival."""
    return min(sent_at, received_at + tolerance)


def tolerance_of(fact: Fact) -> timedelta:
    """Returns how far the time of a fact may be ahead of its arrival. Presence never is: of two reports the later one
    counts, and a time in the future would make an agent who has left look ready."""
    if isinstance(fact, AgentPresenceChanged):
        return timedelta()
    return DESKTOP_TOLERANCE if isinstance(fact, AgentFact | BotFact) else CLOCK_TOLERANCE
