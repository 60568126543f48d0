"""How many messages a number may send now: a bucket of tokens, refilled at the number's rate."""

from datetime import datetime
from typing import NamedTuple

SHARE = 0.8
"""Of Meta's limit, which counts incoming messages too."""
_BURST_SECONDS = 1.0
_RECOVERY_PER_SECOND = 0.05
_SLOWEST = 1 / 64


class Bucket(NamedTuple):
    """A number's bucket. `throughput`: messages a second that Meta allows; `slowdown`: share of our rate, halved when
    Meta says that it was too much, and raised again by a twentieth a second."""

    tokens: float
    refilled_at: datetime
    throughput: float
    slowdown: float = 1.0

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.throughput * SHARE * self.slowdown

    def refilled(self, now: datetime) -> "Bucket":
        """Returns the bucket at a later time: never more than what fits into a second, at least one message."""
        seconds = max(0.0, (now - self.refilled_at).total_seconds())
        slowdown = min(1.0, self.slowdown + _RECOVERY_PER_SECOND * seconds)
        tokens = min(max(1.0, self.rate * _BURST_SECONDS), self.tokens + seconds * self.rate)
        return self._replace(tokens=tokens, refilled_at=now, slowdown=slowdown)

    @property
    def next_seconds(self) -> float:
        """Seconds until the next message may be sent."""
        return max(0.0, (1.0 - self.tokens) / self.rate)

    def slowed(self) -> "Bucket":
        """Returns the bucket after Meta said that messages came too fast."""
        return self._replace(slowdown=max(_SLOWEST, self.slowdown / 2), tokens=0.0)

    def taken(self, tokens: int) -> "Bucket":
        return self._replace(tokens=self.tokens - tokens)
