"""The loop of every process that takes its work from the database."""

from collections.abc import Callable
from threading import Event as Flag
from time import monotonic

import psycopg
import structlog
from prometheus_client import Counter

from consumers.batches.poison import PoisonStorm
from infra.kafka.consumer import BrokerUnreachable
from infra.postgres.connections.faults import may_pass
from infra.process.backoff import GIVE_UP_SECONDS, Backoff

_STORM_BACK_OFF_SECONDS = 60.0

_FAILED = Counter("witiop_worker_failed", "Calls of a worker that failed, and were followed by a pause.", ["worker"])


class WorkerLoop:
    """Calls `work` again and again, and backs off while the database cannot be reached or after a poison storm.

    After `GIVE_UP_SECONDS` of failures without a break the process ends with the last error.

    `work`: does what is due and returns the seconds until it should be called again; a long one checks the flag. Raises
    PoisonStorm, psycopg errors. `clock`: seconds that only increase."""

    def __init__(self, name: str, work: Callable[[Flag], float], clock: Callable[[], float] = monotonic) -> None:
        self._name = name
        self._work = work
        self._backoff = Backoff(clock=clock)
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
                _FAILED.labels(self._name).inc()
                self._log.critical(f"{self._name}.poison_storm", reason=str(storm))
                self._not_ready = str(storm)
                stop.wait(_STORM_BACK_OFF_SECONDS)
            except BrokerUnreachable as error:
                self._back_off(stop, f"broker unreachable ({error})", error)
            except psycopg.Error as error:
                if not may_pass(error):
                    raise
                self._back_off(stop, f"database unreachable ({type(error).__name__})", error)
            else:
                self.reached()
                stop.wait(wait_seconds)

    def _back_off(self, stop: Flag, reason: str, error: Exception) -> None:
        """Waits, or raises the error if that has lasted too long."""
        _FAILED.labels(self._name).inc()
        self._not_ready = reason
        self._log.warning(f"{self._name}.backing_off", reason=reason)
        if self._backoff.failing_seconds() > GIVE_UP_SECONDS:
            raise error
        stop.wait(self._backoff.next())
