"""Working in rounds: what every process does that takes its work from the database."""

from collections.abc import Callable
from threading import Event as Flag

import psycopg
import structlog

from infra.postgres.connections.faults import fault
from infra.process.backoff import Backoff


class WorkerLoop:
    """Rounds of one worker, one after the other; while the database is away they pause, longer and longer.

    `work`: does what there is to do and returns for how many seconds there is nothing more; a round that is long looks
    at the flag. Raises psycopg errors."""

    def __init__(self, name: str, work: Callable[[Flag], float]) -> None:
        self._name = name
        self._work = work
        self._backoff = Backoff()
        self._trouble: str | None = "has not reached the database yet"
        self._log = structlog.get_logger(name)

    def not_ready_reason(self) -> str | None:
        """What keeps it from working, for /readyz; None: the database answers."""
        return self._trouble

    def reached(self) -> None:
        """The database answers. A round that is long says so before its end."""
        self._trouble = None
        self._backoff.reset()

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises what is our own defect."""
        while not stop.is_set():
            try:
                rest = self._work(stop)
            except psycopg.Error as error:
                if fault(error) != "transient":
                    raise
                self._trouble = f"database away ({type(error).__name__})"
                self._log.warning(f"{self._name}.resting", reason=self._trouble)
                stop.wait(self._backoff.next())
            else:
                self.reached()
                stop.wait(rest)
