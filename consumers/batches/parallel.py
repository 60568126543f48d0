"""Several loops of one process, running in parallel."""

from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import copy_context
from threading import Event as Flag
from typing import Protocol


class StoppableLoop(Protocol):
    """What runs until it is told to stop, and says what keeps it from working."""

    def not_ready_reason(self) -> str | None: ...
    def run(self, stop: Flag) -> None: ...


class ParallelLoops:
    """Loops of one group in one process, each with partitions of its own: while one waits for PostgreSQL, another
    folds."""

    def __init__(self, loops: Sequence[StoppableLoop]) -> None:
        self._loops = loops

    def not_ready_reason(self) -> str | None:
        """What keeps one of them from working; None: nothing."""
        return next((trouble for loop in self._loops if (trouble := loop.not_ready_reason()) is not None), None)

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. If one of them raises, which is our own defect, it stops the others, and this
        raises it."""
        with ThreadPoolExecutor(len(self._loops), "batch-loop") as threads:
            running = [threads.submit(copy_context().run, loop.run, stop) for loop in self._loops]
            wait(running, return_when=FIRST_EXCEPTION)
            stop.set()
        for ended in running:
            ended.result()
