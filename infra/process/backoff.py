"""Growing pauses between attempts, with jitter, so that a server that recovers is not flooded with requests."""

import random
from collections.abc import Callable
from time import monotonic

GIVE_UP_SECONDS = 600.0
"""A process whose database fails for so long ends. Its supervisor starts one that reads the settings again, knows no
old address, and has no state that could be the reason."""


class Backoff:
    """Pauses that double from `first_seconds` up to `most_seconds`, each shortened by up to 25 % jitter. `clock`:
    seconds that only increase."""

    def __init__(
        self, first_seconds: float = 0.2, most_seconds: float = 5.0, clock: Callable[[], float] = monotonic
    ) -> None:
        self._first = first_seconds
        self._most = most_seconds
        self._next = first_seconds
        self._clock = clock
        self._failing_since: float | None = None

    def next(self) -> float:
        """Returns the seconds to wait before the next attempt."""
        if self._failing_since is None:
            self._failing_since = self._clock()
        seconds = self._next
        self._next = min(self._next * 2, self._most)
        return seconds * random.uniform(0.75, 1)  # noqa: S311 - spreads load, guards nothing

    def reset(self) -> None:
        """Starts again with the first pause. To be called after a successful attempt."""
        self._next = self._first
        self._failing_since = None

    def failing_seconds(self) -> float:
        """Returns for how long every attempt has failed; 0: none failed since the last success."""
        return 0.0 if self._failing_since is None else self._clock() - self._failing_since
