"""For how many days a number keeps what it has (docs/design/retention.md, *Settings*)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

RetentionKind = Literal["messages", "media", "mails", "history", "audit"]

SHORTEST_MESSAGES = 8
"""Days: Meta repeats for seven days what it could not deliver, and what is older than a number keeps is not stored."""
LONGEST = 36_500
"""Days: a hundred years."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Days after which things are removed; None: never. `messages`: what was written in a conversation, so many days
    after it ended; `media`, `mails`, `audit`: files, mails and entries of the audit log, so many days after they came;
    `history`: all the rest of a conversation, with its customer if there is no other, so many days after it ended."""

    messages: int | None = None
    media: int | None = None
    mails: int | None = None
    history: int | None = None
    audit: int | None = None

    @property
    def files(self) -> int | None:
        """Days after which files are removed: those of messages go with them."""
        return least((self.media, self.texts))

    @property
    def forwarded(self) -> int | None:
        """Days after which mails are removed: they repeat what was written, so by default as long as messages."""
        return least((self.mails if self.mails is not None else self.messages, self.history))

    @property
    def texts(self) -> int | None:
        """Days after which what was written is removed."""
        return least((self.messages, self.history))

    def is_over(self, at: datetime, now: datetime) -> bool:
        """Returns whether a fact of this time is not stored any more: its conversation would be removed at once."""
        return self.texts is not None and at < now - timedelta(days=self.texts)


def least(days: Iterable[int | None]) -> int | None:
    """Returns the shortest of several periods; None: never."""
    return min((each for each in days if each is not None), default=None)


def longest(days: Iterable[int | None]) -> int | None:
    """Returns the longest of several periods; None: never, also if there are none."""
    found = list(days)
    return max((each for each in found if each is not None), default=None) if None not in found else None


def contradiction(of: Retention) -> tuple[RetentionKind, str] | None:
    """Returns which setting contradicts another one, and what would be right; None: none does."""
    if of.history is not None and of.messages is not None and of.history < of.messages:
        return "history", (
            f"a conversation is removed with its messages, so {of.history} is shorter than messages = {of.messages}; "
            f"use {of.messages} or more, or leave messages out"
        )
    if of.media is not None and of.texts is not None and of.media > of.texts:
        return "media", (
            f"files are removed with their messages after {of.texts} days; use {of.texts} or less, or leave media out"
        )
    if of.mails is not None and of.history is not None and of.mails > of.history:
        return "mails", (
            f"mails are removed with their conversation after {of.history} days; use {of.history} or less, or leave "
            "mails out"
        )
    return None
