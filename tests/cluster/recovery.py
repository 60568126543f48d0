"""How long a fault lasts for those who send and for those who read, and what was not as promised meanwhile."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from infra.local.simulator.webhooks import ACCEPTED
from tests.cluster.load import Answer, Lateness, OpenLoad, Sample, untrue
from tests.support.waiting import wait_until

LONGEST_ANSWER_SECONDS = 3.5
"""3 s are promised; the rest is for the sender's own threads on a busy machine."""
LATE_SECONDS = 3.0
"""What was acknowledged longer ago and is not stored is late."""
_CALM_SECONDS = 4.0
_WITHIN_SECONDS = 120.0


class Recovery(NamedTuple):
    """`answered`: seconds until all posts were answered with 200 again; `stored`: until what was acknowledged was
    stored in time again; `refused`: posts that were not answered with 200, of `posts`."""

    answered: float
    stored: float
    refused: int
    posts: int


class Trial:
    """One try of one story. `broken`: what was not as promised."""

    def __init__(self, load: OpenLoad, lateness: Lateness) -> None:
        self.load = load
        self.lateness = lateness
        self.broken: list[str] = []
        self._began = time.monotonic()
        self._since = self._began

    def begins(self) -> None:
        """Marks the moment from which recovery is measured: of the fault, or of its end where nothing can recover
        before."""
        self._began = time.monotonic()

    def hold(self, seconds: float) -> tuple[Sequence[Answer], Sequence[Sample]]:
        """Waits; returns the answers to posts that were sent from then on and are due, and the samples."""
        began = time.monotonic()
        time.sleep(seconds + LONGEST_ANSWER_SECONDS)
        answers = [answer for answer in self.load.since(began) if answer.sent < began + seconds]
        return answers, self.lateness.since(began)

    def recover(self) -> Recovery:
        """Returns when nothing is refused or late any more."""
        wait_until(self._is_calm, _WITHIN_SECONDS, step=0.1)
        after = self.load.since(self._began)
        refused = [answer for answer in after if answer.status != ACCEPTED]
        return Recovery(
            max((answer.sent - self._began for answer in refused), default=0.0),
            max((at - self._began for at in _late(self.lateness.since(self._began))), default=0.0),
            len(refused),
            len(after),
        )

    def rest(self) -> None:
        """Returns when the healing is over too."""
        self.begins()
        wait_until(self._is_calm, _WITHIN_SECONDS, step=0.1)
        self.broken += untrue(self.load.since(self._since), LONGEST_ANSWER_SECONDS)

    def _is_calm(self) -> bool:
        now = time.monotonic()
        answers = self.load.since(now - _CALM_SECONDS)
        samples = self.lateness.since(now - _CALM_SECONDS)
        return (
            now - self._began > _CALM_SECONDS
            and len(answers) > self.load.rate
            and all(answer.status == ACCEPTED for answer in answers)
            and len(samples) > _CALM_SECONDS
            and not _late(samples)
        )


def _late(samples: Sequence[Sample]) -> list[float]:
    """Returns the times at which what is stored was late, or nobody could say."""
    return [sample.at for sample in samples if sample.behind is None or sample.behind > LATE_SECONDS]
