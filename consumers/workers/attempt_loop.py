"""The protocol of every sender whose receiver does not recognise repeats: at most one attempt for each intent
(reliability.md, I5).

A poll has four steps:

1. *Settle*: an item whose sender ended during its attempt becomes *unknown*, for events or people to settle.
2. *Claim*: the intent is committed. What is sent was made before, outside of any transaction.
3. *Attempt*: once; the sender never repeats it by itself.
4. *Record*: the outcome is committed. While the database cannot be reached, later polls do only this.
"""

from datetime import timedelta
from time import monotonic
from typing import Generic, Protocol, TypeVar

from consumers.batches.poison import RetryBatch
from domain.attempts import Accepted, AttemptOutcome, TransientFailure
from infra.process.backoff import Backoff

ATTEMPT_WITHIN_SECONDS = 5.0
"""After its claim: an attempt that begins later may find that its item is *unknown* already and was sent again."""

_IDLE_SECONDS = 0.5


class Claim(Protocol):
    """An item that this process has claimed."""

    @property
    def claimed_at(self) -> float:
        """When, by the monotonic clock, in seconds."""
        ...


ClaimT = TypeVar("ClaimT", bound=Claim)


class Sender(Protocol[ClaimT]):
    """What is sent. Each method commits what it changes; all but `attempt` raise RetryBatch, psycopg errors."""

    def settle_abandoned(self) -> None:
        """Makes items *unknown* whose attempt must be over and was never recorded."""
        ...

    def claim(self) -> ClaimT | None:
        """Claims the item that is longest due; None: nothing is due."""
        ...

    def attempt(self, claim: ClaimT) -> AttemptOutcome:
        """Makes the one attempt. Raises nothing."""
        ...

    def record(self, claim: ClaimT, outcome: AttemptOutcome, pause: timedelta) -> None:
        """Stores the outcome. `pause`: until an item that is due again may be claimed."""
        ...


class AttemptLoop(Generic[ClaimT]):
    """Polls of one sender, at most `per_second` attempts a second. After a transient failure, it pauses longer and
    longer until an attempt is accepted."""

    def __init__(
        self, sender: Sender[ClaimT], per_second: float, attempt_within_seconds: float = ATTEMPT_WITHIN_SECONDS
    ) -> None:
        self._sender = sender
        self._interval = 1 / per_second
        self._attempt_within_seconds = attempt_within_seconds
        self._throttled = Backoff(1.0, 30.0)
        self._unrecorded: tuple[ClaimT, AttemptOutcome, timedelta] | None = None

    def poll(self) -> float:
        """Makes at most one attempt. Returns the seconds until the next poll. Raises psycopg errors; an outcome that
        was not recorded then is recorded by a later poll."""
        began = monotonic()
        try:
            self._sender.settle_abandoned()
            if self._unrecorded is None:
                claim = self._sender.claim()
                if claim is None:
                    return _IDLE_SECONDS
                self._unrecorded = self._attempt(claim)
            self._sender.record(*self._unrecorded)
        except RetryBatch:
            return 0.0
        _, _, pause = self._unrecorded
        self._unrecorded = None
        return max(pause.total_seconds(), began + self._interval - monotonic(), 0.0)

    def _attempt(self, claim: ClaimT) -> tuple[ClaimT, AttemptOutcome, timedelta]:
        if monotonic() - claim.claimed_at > self._attempt_within_seconds:
            outcome: AttemptOutcome = TransientFailure("too late after its claim")
        else:
            outcome = self._sender.attempt(claim)
        if isinstance(outcome, Accepted):
            self._throttled.reset()
        pause = self._throttled.next() if isinstance(outcome, TransientFailure) else 0.0
        return claim, outcome, timedelta(seconds=pause)
