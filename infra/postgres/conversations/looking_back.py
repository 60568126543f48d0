"""Looking at the conversations of the last days, the latest first, within limits of number and time."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from time import monotonic
from typing import Generic, Protocol, TypeVar

MOST = 20_000
"""Conversations that are looked at."""
SECONDS = 8.0
"""It takes no longer."""


class Opened(Protocol):
    """A conversation, by when it was opened."""

    @property
    def opened_at(self) -> datetime: ...


_Row = TypeVar("_Row", bound=Opened)


class LookBack(Generic[_Row]):
    """Conversations, the latest first, of which at most `most` are looked at, `at_once` in a batch, and none in a batch
    that would begin after `until` (`time.monotonic`). `found`: one more than `most`, if there are more."""

    def __init__(self, found: Sequence[_Row], most: int, until: float, at_once: int) -> None:
        self._found = found
        self._most = most
        self._until = until
        self._at_once = at_once
        self.looked_at = 0

    def batches(self) -> Iterator[Sequence[_Row]]:
        """Yields the conversations; counts a batch when it is done."""
        wanted = self._found[: self._most]
        for start in range(0, len(wanted), self._at_once):
            if monotonic() > self._until:
                return
            batch = wanted[start : start + self._at_once]
            yield batch
            self.looked_at += len(batch)

    @property
    def reached(self) -> datetime | None:
        """How far back it came, if there were too many to look at all; None: it looked at all of them."""
        return self._found[self.looked_at - 1].opened_at if 0 < self.looked_at < len(self._found) else None
