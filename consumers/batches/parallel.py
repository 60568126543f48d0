"""Several loops of one process, running in parallel."""

from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import copy_context
from threading import Event as Flag
from typing import Protocol

from infra.process.readiness import every_reason


class StoppableLoop(Protocol):
    """A loop that runs until its flag is set."""

    def not_ready_reason(self) -> str | None: ...
    def run(self, stop: Flag) -> None: ...


class ParallelLoops:
    """Loops of one consumer group in one process, each with partitions of its own: while one waits for PostgreSQL,
    another folds."""

    def __init__(self, loops: Sequence[StoppableLoop]) -> None:
        self._loops = loops

    def not_ready_reason(self) -> str | None:
        """Returns everything that keeps any of the loops from working; None: nothing."""
        return every_reason(*(loop.not_ready_reason() for loop in self._loops))

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. An exception of one loop, which is a defect of ours, stops the others and is
        raised here."""
        with ThreadPoolExecutor(len(self._loops), "batch-loop") as threads:
            running = [threads.submit(copy_context().run, loop.run, stop) for loop in self._loops]
            wait(running, return_when=FIRST_EXCEPTION)
            stop.set()
        for ended in running:
            ended.result()
