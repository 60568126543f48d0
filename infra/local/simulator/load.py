"""An open-loop load generator: its rate does not depend on the answers. It records what was sent and answered."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from threading import BoundedSemaphore, Lock
from typing import TextIO

from infra.local.simulator.traffic import Traffic, Update
from infra.local.simulator.webhooks import ACCEPTED, Pauses, Webhooks
from infra.process.clock import utc_now

MAX_WAITING = 1000
"""How many posts may wait for their answer at the same time; each has a thread and a connection."""
_LATE_SECONDS = 1.0
_RETRY_THREADS = 16


@dataclass(frozen=True, slots=True)
class Load:
    """`rate` updates per second, `batch` of them in a post, for `seconds`. Posts that were not answered with 200 are
    repeated afterwards, for at most `retry_seconds`."""

    rate: float
    seconds: float
    batch: int = 1
    retry_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of a run.

    `rate`: updates sent per second. `answers`: posts by status, or `unknown`. `p50_ms` and `p99_ms`: response times;
    None without answers. `not_sent`: updates for which no thread was free or which were over a second late: the
    generator was the bottleneck. `undelivered`: posts that were never answered with 200, not even after repeats."""

    updates: int
    posts: int
    rate: float
    answers: dict[str, int]
    p50_ms: float | None
    p99_ms: float | None
    not_sent: int
    undelivered: int


class Ledger:
    """Writes JSON lines, one for each time an update was posted. Fault tests compare the database with them
    (reliability.md, Invariants)."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = Lock()

    def write(self, updates: Sequence[Update], answer: int | None, sent: datetime, answered: datetime) -> None:
        """Writes a line per update. `answer`: None for unknown. Thread-safe."""
        outcome = {
            "answer": answer or "unknown",
            "sent": sent.isoformat(),
            "answered": answered.isoformat() if answer else None,
        }
        lines = [
            json.dumps({"kind": u.kind, "id": u.wamid, "status": u.status, "hash": u.hash, **outcome}) for u in updates
        ]
        with self._lock:
            self._file.write("\n".join([*lines, ""]))


def run(load: Load, traffic: Traffic, webhooks: Webhooks, ledger: Ledger | None = None) -> Summary:
    """Sends the load. Returns when every post was answered or given up. Raises the errors of the ledger's file."""
    return _Run(load, traffic, webhooks, ledger).run()


class _Run:
    def __init__(self, load: Load, traffic: Traffic, webhooks: Webhooks, ledger: Ledger | None) -> None:
        self._load = load
        self._traffic = traffic
        self._webhooks = webhooks
        self._ledger = ledger
        self._lock = Lock()
        self._free = BoundedSemaphore(MAX_WAITING)
        self._answers: Counter[str] = Counter()
        self._times: list[float] = []
        self._missed: list[Sequence[int]] = []
        self._updates = 0
        self._not_sent = 0
        self._error: BaseException | None = None

    def run(self) -> Summary:
        began = time.monotonic()
        with ThreadPoolExecutor(MAX_WAITING, "load") as pool:
            for due, numbers in self._ticks(began):
                time.sleep(max(0.0, due - time.monotonic()))
                late = time.monotonic() - due > _LATE_SECONDS
                if late or not self._free.acquire(blocking=False):
                    self._not_sent += len(numbers)
                    continue
                self._updates += len(numbers)
                pool.submit(self._once, numbers).add_done_callback(self._done)
                if self._error:
                    break
            seconds = max(self._load.seconds, time.monotonic() - began)
        if self._error:
            raise self._error
        self._retry()
        times = sorted(self._times)
        return Summary(
            updates=self._updates,
            posts=self._answers.total(),
            rate=round(self._updates / seconds, 1),
            answers=dict(self._answers),
            p50_ms=_percentile(times, 0.5),
            p99_ms=_percentile(times, 0.99),
            not_sent=self._not_sent,
            undelivered=len(self._missed),
        )

    def _ticks(self, began: float) -> Iterator[tuple[float, Sequence[int]]]:
        """Yields the time at which each post is due, and the numbers of its updates."""
        numbers = self._traffic.numbers(round(self._load.rate * self._load.seconds))
        due = began
        while batch := list(islice(numbers, self._load.batch)):
            yield due, batch
            due += len(batch) / self._load.rate

    def _once(self, numbers: Sequence[int]) -> None:
        answer, seconds = self._post(numbers)
        with self._lock:
            self._answers[str(answer or "unknown")] += 1
            if answer is not None:
                self._times.append(seconds)
            if answer != ACCEPTED:
                self._missed.append(numbers)

    def _done(self, sent: Future[None]) -> None:
        self._free.release()
        self._error = self._error or sent.exception()

    def _post(self, numbers: Sequence[int]) -> tuple[int | None, float]:
        updates = [self._traffic.update(number) for number in numbers]
        post = self._traffic.post(updates)
        sent, began = utc_now(), time.perf_counter()
        answer = self._webhooks.post(post)
        seconds = time.perf_counter() - began
        if self._ledger is not None:
            self._ledger.write(updates, answer, sent, utc_now())
        return answer, seconds

    def _retry(self) -> None:
        """Repeats whole bodies with growing pauses, like Meta."""
        until = time.monotonic() + self._load.retry_seconds
        pauses = Pauses()

        def again(numbers: Sequence[int]) -> bool:
            return time.monotonic() < until and self._post(numbers)[0] == ACCEPTED

        with ThreadPoolExecutor(_RETRY_THREADS, "retry") as pool:
            while self._missed and time.monotonic() < until:
                accepted = list(pool.map(again, self._missed))
                self._missed = [numbers for numbers, done in zip(self._missed, accepted, strict=True) if not done]
                if self._missed:
                    pauses.wait()


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """Returns a percentile in milliseconds."""
    return round(ordered[int(share * (len(ordered) - 1))] * 1000, 1) if ordered else None
