"""Meta's 24-hour window, and which conversation a fact belongs to (domain.md, *Which conversation*)."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from domain.conversations.classification import ended
from domain.conversations.conversation import Conversation

WINDOW = timedelta(hours=24)
"""How long the customer can be answered freely after their last message (Meta)."""

SKEW = timedelta(minutes=2)
"""A bot's or a desk's clock may be this much behind Meta's: its events still find the conversation they began."""


_BEFORE_END = timedelta(minutes=5)
"""A reservation ends this long before the window closes, so that somebody can still act."""


def reservation_end(reserved_to: datetime, window_ends_at: datetime) -> datetime:
    """When a reservation is over that by its own term ends at `reserved_to` (mission.md, *exclusive*)."""
    return min(reserved_to, window_ends_at - _BEFORE_END)


def home_of_turn(conversations: Iterable[Conversation], at: datetime) -> Conversation | None:
    """The conversation that a customer's turn joins; None: it opens one. Of several that fit, the one with the greatest
    opening at or before the turn, else the next one after it. Of a customer whose identities were joined, the one that
    has an owner, else the latest."""
    fits = [c for c in conversations if c.opened_at - WINDOW < at and _before_end(c, at)]
    if len(fits) > 1 and len({c.customer_id for c in fits}) > 1:
        return max(fits, key=lambda c: (c.owner is not None, c.opened_at))
    return _nearest(fits, at)


def home_of_other(conversations: Iterable[Conversation], at: datetime, touch: bool) -> Conversation | None:
    """The conversation whose span covers a bot's, an agent's or Meta's event; None: it waits for one. The span reaches
    from `SKEW` before the opening to the end of the window, also after a bot or an agent closed it, so that the order
    of arrival plays no part. A human touch (`touch`) belongs to the latest that fits."""
    fits = [c for c in conversations if c.opened_at - SKEW <= at < c.window_ends_at]
    if touch:
        return max(fits, key=lambda c: c.opened_at, default=None)
    return _nearest(fits, at)


def _before_end(conversation: Conversation, at: datetime) -> bool:
    end = ended(conversation)
    return at < conversation.window_ends_at if end is None else at <= end.mark.at


def _nearest(fits: list[Conversation], at: datetime) -> Conversation | None:
    if len(fits) <= 1:
        return fits[0] if fits else None
    begun = [c for c in fits if c.opened_at <= at]
    if begun:
        return max(begun, key=lambda c: c.opened_at)
    return min(fits, key=lambda c: c.opened_at, default=None)
