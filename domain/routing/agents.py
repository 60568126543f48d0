"""Who can take a conversation (mission.md, Words; domain.md, Presence and routing)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

PresenceState = Literal["ready", "paused", "offline"]

PRESENCE_TIMEOUT = timedelta(seconds=300)
"""A desk that says nothing for this long is offline (a setting)."""


class Member(NamedTuple):
    """A user as routing sees them. (A tuple, as `domain.conversations.conversation.Conversation`.)

    `seen_at`: the last signed event of their desk; `state_at`: when the desk last reported their `state`;
    `idle_since`: when they last got a conversation, or became ready; `active_conversations`: those assigned to or
    accepted by them that are still active."""

    id: str
    skillsets: frozenset[str]
    max_conversations: int
    active_conversations: int = 0
    state: PresenceState = "offline"
    state_at: datetime | None = None
    seen_at: datetime | None = None
    idle_since: datetime | None = None

    @property
    def free_capacity(self) -> int:
        """Slots left; never below 0 for routing's purposes."""
        return max(0, self.max_conversations - self.active_conversations)

    @property
    def is_over_capacity(self) -> bool:
        """They have more than they may: they accepted an offer that had ended, or the directory gives them less now."""
        return self.active_conversations > self.max_conversations

    def is_presence_stale(self, now: datetime, presence_timeout: timedelta = PRESENCE_TIMEOUT) -> bool:
        """Their desk was not heard for too long."""
        return self.seen_at is None or now - self.seen_at >= presence_timeout

    def is_ready(self, now: datetime, presence_timeout: timedelta = PRESENCE_TIMEOUT) -> bool:
        """Logged in, not paused, and their desk was heard lately."""
        return self.state == "ready" and not self.is_presence_stale(now, presence_timeout)

    def is_available(self, now: datetime, presence_timeout: timedelta = PRESENCE_TIMEOUT) -> bool:
        """Ready and below the maximum: what the ready icon of S9 shows."""
        return self.free_capacity > 0 and self.is_ready(now, presence_timeout)


def precedence(member: Member, now: datetime) -> tuple[int, datetime, str]:
    """Who comes first among the available: most free slots, then longest idle, then id."""
    return -member.free_capacity, member.idle_since or now, member.id


def next_agent(
    candidates: Iterable[Member], now: datetime, presence_timeout: timedelta = PRESENCE_TIMEOUT
) -> Member | None:
    """Who gets the next conversation: of the available, most free slots first, then longest idle, then id."""
    return min(
        (member for member in candidates if member.is_available(now, presence_timeout)),
        key=lambda member: precedence(member, now),
        default=None,
    )
