"""Growing pauses between attempts, with jitter, so that a server that recovers is not flooded with requests."""

import random


class Backoff:
    """Pauses that double from `first_seconds` up to `most_seconds`, each shortened by up to 25 % jitter."""

    def __init__(self, first_seconds: float = 0.2, most_seconds: float = 5.0) -> None:
        self._first = first_seconds
        self._most = most_seconds
        self._next = first_seconds

    def next(self) -> float:
        """Returns the seconds to wait before the next attempt."""
        seconds = self._next
        self._next = min(self._next * 2, self._most)
        return seconds * random.uniform(0.75, 1)  # noqa: S311 - spreads load, guards nothing

    def reset(self) -> None:
        """Starts again with the first pause. To be called after a successful attempt."""
        self._next = self._first
