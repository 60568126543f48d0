"""How long timer and routing wait for stalled consumers (architecture.md, P6a)."""

from collections.abc import Callable
from time import monotonic


class StallDetector:
    """Decides when a partition whose consumer makes no progress is not waited for any more.

    A partition counts as stalled after `seconds` without progress, if this object was asked without a pause during that
    time. After an outage of the database or of the machine the consumers get the same time again. `clock`: seconds that
    only increase."""

    def __init__(self, seconds: float = 600, clock: Callable[[], float] = monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self.watched_since = self._asked_at = clock()

    def reset(self) -> None:
        """Restarts the time: the database was not reachable, so nobody could make progress."""
        self.watched_since = self._clock()

    def stalled(self) -> float | None:
        """Returns the seconds after which a partition counts as stalled; None: none has been watched for that long
        without a pause."""
        now = self._clock()
        if now - self._asked_at > self.seconds / 2:
            self.watched_since = now
        self._asked_at = now
        return self.seconds if now - self.watched_since >= self.seconds else None
