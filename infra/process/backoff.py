"""Growing pauses between tries, so that a server that comes back is not met by everybody at once."""

import random


class Backoff:
    """Doubles from `first_seconds` up to `most_seconds`, each with up to a quarter of chance taken off."""

    def __init__(self, first_seconds: float = 0.2, most_seconds: float = 5.0) -> None:
        self._first = first_seconds
        self._most = most_seconds
        self._next = first_seconds

    def next(self) -> float:
        """Seconds to wait before the next try."""
        seconds = self._next
        self._next = min(self._next * 2, self._most)
        return seconds * random.uniform(0.75, 1)  # noqa: S311 - spreads load, guards nothing

    def reset(self) -> None:
        """The last try worked."""
        self._next = self._first
