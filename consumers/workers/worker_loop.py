"""The loop of every process that takes its work from the database."""

from collections.abc import Callable
from threading import Event as Flag

import psycopg
import structlog

from consumers.batches.poison import PoisonStorm
from infra.kafka.consumer import BrokerUnreachable
from infra.postgres.connections.faults import may_pass
from infra.process.backoff import Backoff

_STORM_BACK_OFF_SECONDS = 60.0


class WorkerLoop:
    """Calls `work` again and again, and backs off while the database cannot be reached or after a poison storm.

    `work`: does what is due and returns the seconds until it should be called again; a long one checks the flag. Raises
    PoisonStorm, psycopg errors."""

    def __init__(self, name: str, work: Callable[[Flag], float]) -> None:
        self._name = name
        self._work = work
        self._backoff = Backoff()
        self._not_ready: str | None = "has not reached the database yet"
        self._log = structlog.get_logger(name)

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the worker from working, for /readyz; None: nothing."""
        return self._not_ready

    def reached(self) -> None:
        """Notes that the database answers. Long work calls this before its end."""
        self._not_ready = None
        self._backoff.reset()

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours."""
        while not stop.is_set():
            try:
                wait_seconds = self._work(stop)
            except PoisonStorm as storm:
                self._log.critical(f"{self._name}.poison_storm", reason=str(storm))
                self._not_ready = str(storm)
                stop.wait(_STORM_BACK_OFF_SECONDS)
            except BrokerUnreachable as error:
                self._not_ready = f"broker unreachable ({error})"
                self._log.warning(f"{self._name}.backing_off", reason=self._not_ready)
                stop.wait(self._backoff.next())
            except psycopg.Error as error:
                if not may_pass(error):
                    raise
                self._not_ready = f"database unreachable ({type(error).__name__})"
                self._log.warning(f"{self._name}.backing_off", reason=self._not_ready)
                stop.wait(self._backoff.next())
            else:
                self.reached()
                stop.wait(wait_seconds)
