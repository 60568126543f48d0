"""The load during the stories: 264 updates a second, whatever the answers are, and how late they are stored."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import NamedTuple

import psycopg

from infra.local.simulator.bodies import BusinessNumber
from infra.local.simulator.load import Ledger
from infra.local.simulator.traffic import Mix, Traffic
from infra.local.simulator.webhooks import ACCEPTED, NOT_ACKNOWLEDGED, Webhooks
from infra.process.clock import utc_now
from tests.support.stories import NUMBER

RATE = 264.0
_THREADS = 900
"""More than wait at once when each answer takes the three seconds that are allowed."""
_REPEATS = 0.02
_AT_ONCE = 16
_STALE_SECONDS = 0.2
"""A connection that breaks as soon as it is used had been closed while it was idle; another one is opened at once, as
every client does."""
_SAMPLE_SECONDS = 0.2
_LINE = BusinessNumber(NUMBER, "+39 06 555 0100", "330000000000001")


class Answer(NamedTuple):
    """A post: when it was sent (monotonic), after how many seconds it was answered, and the status (None: unknown)."""

    sent: float
    seconds: float
    status: int | None


class Sample(NamedTuple):
    """How far what is stored is behind what was acknowledged, in seconds; None: the database did not answer."""

    at: float
    behind: float | None


class OpenLoad:
    """Posts one update after the other, in the ledger's file, until it is stopped. `answers`: of all posts."""

    def __init__(self, webhooks: Webhooks, ledger: Path, rate: float) -> None:
        self._webhooks = webhooks
        self._file = ledger.open("w", encoding="utf-8")
        self._ledger = Ledger(self._file)
        self.rate = rate
        self._traffic = Traffic(Mix(_LINE, repeats=_REPEATS), utc_now(), rate)
        self._stopped = Event()
        self._missed: list[int] = []
        self._lock = Lock()
        self._thread = Thread(target=self._run, name="load")
        self.answers: list[Answer] = []

    def start(self) -> None:
        """Begins to post."""
        self._thread.start()

    def since(self, at: float) -> list[Answer]:
        """Returns the answers to posts that were sent from then on, in the order of their ends."""
        return [answer for answer in self.answers[:] if answer.sent >= at]

    def abandon(self) -> None:
        """Ends the posting, whatever is missing then."""
        self._stopped.set()
        self._thread.join()

    def stop(self) -> None:
        """Ends the posting. Then repeats, like Meta, what was not answered with 200, until all of it is."""
        self.abandon()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while missed := self._missed:
                self._missed = []
                list(pool.map(self._post, missed))
        self._file.close()

    def _run(self) -> None:
        numbers = self._traffic.numbers(10**9)
        due = time.monotonic()
        with ThreadPoolExecutor(_THREADS) as pool:
            while not self._stopped.is_set():
                time.sleep(max(0.0, due - time.monotonic()))
                pool.submit(self._post, next(numbers))
                due += 1 / self.rate

    def _post(self, number: int) -> None:
        update = self._traffic.update(number)
        post = self._traffic.post([update])
        sent, began = utc_now(), time.monotonic()
        status = self._webhooks.post(post)
        if status is None and time.monotonic() - began < _STALE_SECONDS:
            status = self._webhooks.post(post)
        self._ledger.write([update], status, sent, utc_now())
        with self._lock:
            self.answers.append(Answer(began, time.monotonic() - began, status))
            if status != ACCEPTED:
                self._missed.append(number)


class Lateness(Thread):
    """Asks the database all the time how far the consumers are behind."""

    _BEHIND = (
        "select extract(epoch from clock_timestamp() - min(caught_up_to))::float from consumer_offsets "
        "where topic = %s and caught_up_to > 'epoch'"
    )

    def __init__(self, dsn: str, topic: str) -> None:
        super().__init__(name="lateness", daemon=True)
        self._dsn = dsn
        self._topic = topic
        self._stopped = Event()
        self.samples: list[Sample] = []

    def run(self) -> None:
        """Samples until it is stopped, and connects again when the connection is lost."""
        while not self._stopped.is_set():
            with suppress(psycopg.Error), psycopg.connect(self._dsn, autocommit=True, connect_timeout=2) as connection:
                while not self._stopped.wait(_SAMPLE_SECONDS):
                    (behind,) = connection.execute(self._BEHIND, [self._topic]).fetchall()[0]
                    self.samples.append(Sample(time.monotonic(), behind))
            self.samples.append(Sample(time.monotonic(), None))
            self._stopped.wait(_SAMPLE_SECONDS)

    def since(self, at: float) -> list[Sample]:
        """Returns the samples from then on."""
        return [sample for sample in self.samples[:] if sample.at >= at]

    def stop(self) -> None:
        """Ends the sampling."""
        self._stopped.set()
        self.join()


def untrue(answers: Sequence[Answer], longest: float) -> list[str]:
    """Returns what the webhooks never promise: other answers than 200 and 503, and later ones."""
    others = sorted({str(a.status) for a in answers if a.status not in (ACCEPTED, NOT_ACKNOWLEDGED, None)})
    late = max((answer.seconds for answer in answers if answer.status is not None), default=0.0)
    return [f"answered {status}" for status in others] + ([f"an answer took {late:.1f} s"] if late > longest else [])
