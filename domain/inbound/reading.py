"""What a webhook body becomes: facts to publish, and updates put aside for a human (webhooks.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.facts import Fact

CLOCK_TOLERANCE = timedelta(minutes=5)
"""A sender's time further ahead of our arrival time than this is clamped to it."""


@dataclass(frozen=True, slots=True)
class UnreadablePart:
    """One body, or one update of a body, that is signed but that we cannot read. `raw` read again by the same reader
    gives the same update alone, so it can be sent through again once we can read it. `reason` names the field."""

    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class BodyReading:
    """Everything that stood in a body, in its order: `len(facts) + len(unreadable)` updates, none lost."""

    facts: Sequence[Fact]
    unreadable: Sequence[UnreadablePart]


def clamp(sent_at: datetime, received_at: datetime) -> datetime:
    """The time the rules work with: the sender's, at most `CLOCK_TOLERANCE` after arrival."""
    return min(sent_at, received_at + CLOCK_TOLERANCE)
