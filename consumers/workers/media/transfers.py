"""The loop of files that come or go: some at a time, each in a thread of its own, so a slow one holds up no other.

A file is claimed in a transaction, transferred outside of any, and what became of it is recorded in another. A claim
ends by itself, so what a process took that died is transferred by another: twice is no harm.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from queue import Empty, SimpleQueue
from threading import Event as Flag
from typing import Any, Generic, Protocol, TypeVar

import structlog
from prometheus_client import Counter, Gauge
from psycopg import Connection

from consumers.workers.sender import Wakeups
from consumers.workers.worker_loop import WorkerLoop

_TRANSFERS = Counter("witiop_media_transfers", "Transfers of files that ended, by outcome.", ["worker", "outcome"])
_RUNNING = Gauge("witiop_media_running", "Transfers of files that are under way.", ["worker"])

_IDLE_SECONDS = 1.0

log = structlog.get_logger("media")

_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome")


class TransferTask(Protocol[_Item, _Outcome]):
    """What is transferred, and how."""

    def claim(self, connection: Connection[Any], most: int) -> Sequence[_Item]:
        """Takes at most `most` files that are due."""
        ...

    def carry_out(self, item: _Item, stopping: Flag) -> _Outcome:
        """Transfers a file, in a thread. Ends soon once `stopping` is set; raises nothing but defects."""
        ...

    def record(self, connection: Connection[Any], item: _Item, outcome: _Outcome | None) -> str:
        """Records what became of it and returns that in a word, for metrics. None: a defect of ours."""
        ...


class MediaTransfers(Generic[_Item, _Outcome]):
    """Transfers until stopped. `transaction`: as for the consumers; `at_once`: transfers at the same time; `wakeups`:
    hints that there is something to transfer."""

    def __init__(
        self,
        name: str,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        task: TransferTask[_Item, _Outcome],
        at_once: int,
        wakeups: Wakeups,
    ) -> None:
        self._name = name
        self._transaction = transaction
        self._task = task
        self._at_once = at_once
        self._wakeups = wakeups
        self._threads = ThreadPoolExecutor(at_once, name)
        self._stopping = Flag()
        self._running = 0
        self._ended: SimpleQueue[tuple[_Item, _Outcome | None]] = SimpleQueue()
        self._unrecorded: list[tuple[_Item, _Outcome | None]] = []
        self._loop = WorkerLoop(name, lambda _: self.poll())

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the worker from working, for /readyz; None: nothing."""
        return self._loop.not_ready_reason()

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set and every transfer has ended. Raises whatever is a defect of ours."""
        self._loop.run(stop)
        self.end()

    def poll(self) -> float:
        """Records what ended and takes what is due; returns the seconds until the next poll. Raises psycopg errors;
        what was not recorded then is recorded by a later poll."""
        self._record()
        free = self._at_once - self._running
        if free > 0:
            with self._transaction() as connection:
                items = self._task.claim(connection, free)
            for item in items:
                self._threads.submit(self._carry_out, item)
            self._running += len(items)
            _RUNNING.labels(self._name).set(self._running)
        self._loop.reached()
        if self._running:
            self._await_outcome(_IDLE_SECONDS)
        else:
            self._wakeups.wait(_IDLE_SECONDS)
        return 0.0

    def end(self) -> None:
        """Ends what is under way and records it."""
        self._stopping.set()
        self._threads.shutdown(wait=True)
        self._record()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way or unrecorded."""
        return not self._running and not self._unrecorded

    def _carry_out(self, item: _Item) -> None:
        outcome: _Outcome | None = None
        try:
            outcome = self._task.carry_out(item, self._stopping)
        except Exception:  # a defect of ours: the file is tried again
            log.error("media.defect", worker=self._name, exc_info=True)
        self._ended.put((item, outcome))

    def _await_outcome(self, seconds: float) -> None:
        try:
            self._unrecorded.append(self._ended.get(timeout=seconds))
        except Empty:
            return
        self._running -= 1

    def _record(self) -> None:
        while not self._ended.empty():
            self._await_outcome(0)
        while self._unrecorded:
            item, outcome = self._unrecorded[0]
            with self._transaction() as connection:
                word = self._task.record(connection, item, outcome)
            del self._unrecorded[0]
            _TRANSFERS.labels(self._name, word).inc()
        _RUNNING.labels(self._name).set(self._running)
