"""How long whoever goes by what is worked in waits for consumers that do not move (architecture.md, P6a)."""

from collections.abc import Callable
from time import monotonic


class StallDetector:
    """`seconds`: a partition whose consumer made no progress for this long, while this was asked without a pause, is
    not waited for any more. After an outage of the database or of the machine the consumers get that time again.
    `clock`: seconds that only go forward."""

    def __init__(self, seconds: float = 600, clock: Callable[[], float] = monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self.watched_since = self._looked_at = clock()

    def reset(self) -> None:
        """The database was away: nobody could make progress."""
        self.watched_since = self._clock()

    def stalled(self) -> float | None:
        """Seconds after which a partition counts as stalled; None: nothing was watched that long without a pause."""
        now = self._clock()
        if now - self._looked_at > self.seconds / 2:
            self.watched_since = now
        self._looked_at = now
        return self.seconds if now - self.watched_since >= self.seconds else None
