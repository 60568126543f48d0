"""How the installation is, read once for all pages of this process every few seconds."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any

import psycopg
import psycopg_pool
import structlog
from psycopg import Connection

from infra.postgres.alarms.board import InstallationHealth, read_health
from infra.postgres.alarms.personal import running_out_of

HEALTH_SECONDS = 5.0
log = structlog.get_logger()

Connect = Callable[[], AbstractContextManager[Connection[Any]]]


class HealthCache:
    """The latest reading, from any number of threads: one of them reads, the others get what was read before. `clock`:
    seconds that only increase."""

    def __init__(self, seconds: float = HEALTH_SECONDS, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._health: InstallationHealth | None = None
        self._counts: dict[str, tuple[float, int]] = {}

    def read(self, connect: Connect) -> InstallationHealth | None:
        """Returns how the installation is; None: the database does not say. A page never fails because of this."""
        if self._clock() - self._read_at < self._seconds or not self._lock.acquire(blocking=self._health is None):
            return self._health
        try:
            if self._clock() - self._read_at >= self._seconds:
                self._health = self._asked(connect)
                self._read_at = self._clock()
            return self._health
        finally:
            self._lock.release()

    def count(self, connect: Connect, name: str) -> int:
        """Returns how many conversations run out for a person who wants to know, as it was a few seconds ago."""
        known = self._counts.get(name)
        if known is not None and self._clock() - known[0] < self._seconds:
            return known[1]
        try:
            with connect() as connection:
                found = running_out_of(connection, name)
        except (psycopg.Error, psycopg_pool.PoolTimeout):
            return known[1] if known is not None else 0
        self._counts[name] = self._clock(), found
        return found

    def forget(self) -> None:
        """Makes the next page read again, after somebody changed what is shown."""
        self._read_at = float("-inf")
        self._counts.clear()

    def _asked(self, connect: Connect) -> InstallationHealth | None:
        try:
            with connect() as connection:
                return read_health(connection)
        except (psycopg.Error, psycopg_pool.PoolTimeout) as error:
            log.warning("console.health_unknown", error=type(error).__name__)
            return None
