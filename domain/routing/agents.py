"""Availability of agents (mission.md, Words; domain.md, Presence and routing)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

PresenceState = Literal["ready", "paused", "offline"]

PRESENCE_TIMEOUT = timedelta(seconds=300)
"""An agent whose desktop has reported nothing for this long is offline (a setting)."""

PAGES_PER_TIMEOUT = 20


def page_timeout(presence_timeout: timedelta = PRESENCE_TIMEOUT) -> timedelta:
    """Returns after what time without a sign a page of the agents' page counts as gone: 15 s by default. No offer would
    be seen or heard there."""
    return presence_timeout / PAGES_PER_TIMEOUT


class Member(NamedTuple):
    """A user, with the data that routing needs. (A tuple, like `domain.conversations.conversation.Conversation`.)

    `seen_at`: time of the last signed event from the agent desktop; `state_at`: when the desktop last reported
    `state`; `page_at`: of an agent who said on the agents' page that they are ready, the last sign of a page of
    theirs that rings; None: they use another desktop. `idle_since`: when the user was last assigned a conversation,
    or became ready; `active_conversations`: number of active conversations that are assigned to the user or accepted
    by them."""

    id: str
    skillsets: frozenset[str]
    max_conversations: int
    active_conversations: int = 0
    state: PresenceState = "offline"
    state_at: datetime | None = None
    seen_at: datetime | None = None
    idle_since: datetime | None = None
    page_at: datetime | None = None

    @property
    def free_capacity(self) -> int:
        """The number of conversations that the user may still take; never below 0."""
        return max(0, self.max_conversations - self.active_conversations)

    @property
    def is_over_capacity(self) -> bool:
        """Whether the user has more conversations than allowed: they accepted an offer that had ended, or the maximum
        in the directory was lowered."""
        return self.active_conversations > self.max_conversations

    def is_presence_stale(self, now: datetime, presence_timeout: timedelta = PRESENCE_TIMEOUT) -> bool:
        """Whether the agent desktop has reported nothing for `presence_timeout` or longer, or no page rings that could
        show an offer."""
        if self.page_at is not None and now - self.page_at >= page_timeout(presence_timeout):
            return True
        return self.seen_at is None or now - self.seen_at >= presence_timeout

    def is_ready(self, now: datetime, presence_timeout: timedelta = PRESENCE_TIMEOUT) -> bool:
        """Whether the user is logged in and not paused, and their presence is not stale."""
        return self.state == "ready" and not self.is_presence_stale(now, presence_timeout)

    def is_available(self, now: datetime, presence_timeout: timedelta = PRESENCE_TIMEOUT) -> bool:
        """Whether the user is ready and has free capacity; shown by the ready icon of manual fact S9."""
        return self.free_capacity > 0 and self.is_ready(now, presence_timeout)


def precedence(member: Member, now: datetime) -> tuple[int, datetime, str]:
    """Returns the sort key of available members: most free capacity first, then longest idle, then id."""
    return -member.free_capacity, member.idle_since or now, member.id


def next_agent(
    candidates: Iterable[Member], now: datetime, presence_timeout: timedelta = PRESENCE_TIMEOUT
) -> Member | None:
    """Returns the available member who is assigned the next conversation, by `precedence`; None: none is available."""
    return min(
        (member for member in candidates if member.is_available(now, presence_timeout)),
        key=lambda member: precedence(member, now),
        default=None,
    )
