"""How many messages a number may send now: a bucket of tokens, refilled at the number's rate; and how many more people
templates may reach today."""

from datetime import datetime
from typing import NamedTuple

DEFAULT_THROUGHPUT = 80
"""Messages a second of a number that Meta has not told us of."""
SHARE = 0.8
"""Of Meta's limit; of this share incoming messages take their part, because Meta counts them too."""
_LEAST_SHARE = 0.1
"""Of Meta's limit, however much comes in: customers who write a lot are to be answered."""
_BURST_SECONDS = 1.0
_SMALLEST = 1.5
"""Even the slowest number can save up for one message above the reserve."""
_RESERVE = 0.2
"""Of a full bucket, which campaigns leave to agents."""
_CAMPAIGNS_REACH = 0.95
"""Of the people a day, whom campaigns reach at most; the others are left to agents."""
_RECOVERY_PER_SECOND = 0.05
_SLOWEST = 1 / 64


class Bucket(NamedTuple):
    """A number's bucket. `throughput`: messages a second that Meta allows; `slowdown`: share of our rate, halved when
    Meta says that it was too much, and raised again by a twentieth a second; `inbound`: messages a second that come
    in."""

    tokens: float
    refilled_at: datetime
    throughput: float
    slowdown: float = 1.0
    inbound: float = 0.0

    @property
    def rate(self) -> float:
        """Messages a second."""
        free = max(self.throughput * SHARE - self.inbound, self.throughput * _LEAST_SHARE)
        return free * self.slowdown

    @property
    def full(self) -> float:
        """The most tokens that it holds: what a second brings, and at least one message above the reserve."""
        return max(_SMALLEST, self.rate * _BURST_SECONDS)

    @property
    def for_campaigns(self) -> int:
        """How many messages of campaigns may be sent now."""
        return max(0, int(self.tokens - _RESERVE * self.full))

    def refilled(self, now: datetime) -> "Bucket":
        """Returns the bucket at a later time, with never more than fits into it."""
        seconds = max(0.0, (now - self.refilled_at).total_seconds())
        slowdown = min(1.0, self.slowdown + _RECOVERY_PER_SECOND * seconds)
        tokens = min(self.full, self.tokens + seconds * self.rate)
        return self._replace(tokens=tokens, refilled_at=now, slowdown=slowdown)

    @property
    def next_seconds(self) -> float:
        """Seconds until the next message may be sent; if one may already, until also one of a campaign may."""
        needed = 1.0 if self.tokens < 1.0 else 1.0 + _RESERVE * self.full
        return max(0.0, (needed - self.tokens) / self.rate)

    def slowed(self) -> "Bucket":
        """Returns the bucket after Meta said that messages came too fast."""
        return self._replace(slowdown=max(_SLOWEST, self.slowdown / 2), tokens=0.0)

    def taken(self, tokens: int) -> "Bucket":
        return self._replace(tokens=self.tokens - tokens)


class PeopleLeft(NamedTuple):
    """How many more people templates may reach now outside a window, and campaigns among them."""

    all: int
    campaigns: int


def people_left(people_per_day: int | None, reached: int) -> PeopleLeft | None:
    """Returns how many are left of Meta's limit after `reached` in the last 24 hours; None: there is no limit."""
    if people_per_day is None:
        return None
    of_campaigns = int(people_per_day * _CAMPAIGNS_REACH) - reached
    return PeopleLeft(max(0, people_per_day - reached), max(0, of_campaigns))
