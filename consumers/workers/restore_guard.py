"""Guards a process that posts: nothing that was open is posted before it is known whether the database was restored."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any

import structlog
from psycopg import Connection

from infra.postgres.connections.session import DatabaseSession
from infra.postgres.messaging import restores
from infra.postgres.messaging.restores import GroupPartition

_REFRESH_SECONDS = 10.0

log = structlog.get_logger("restore")


class RestoreGuard:
    """Transactions on a session. After each connection Kafka is asked for the groups' offsets before the first of them
    begins: a database that is behind them was restored, and what was open in it is held.

    `committed`: asks Kafka; raises BrokerUnreachable."""

    def __init__(self, session: DatabaseSession, committed: Callable[[], Mapping[GroupPartition, int]]) -> None:
        self._session = session
        self._committed = committed
        self._checked = 0
        self._refresh_at = 0.0
        self._held: str | None = None

    def not_ready_reason(self) -> str | None:
        """Returns what is held after a restore, for /readyz; None: nothing."""
        return self._held

    @contextmanager
    def transaction(self) -> Iterator[Connection[Any]]:
        """Runs a transaction, as `DatabaseSession` does. Raises BrokerUnreachable, psycopg errors."""
        while True:
            with self._session.transaction() as connection:
                if self._session.connected == self._checked:
                    self._refresh(connection)
                    yield connection
                    return
            self._check()

    def _check(self) -> None:
        committed = self._committed()  # before the table is read: a commit to Kafka follows that to PostgreSQL
        with self._session.transaction() as connection:
            if restores.is_behind(connection, committed) and restores.recognise(connection):
                log.critical("database.restored")
            self._checked, self._refresh_at = self._session.connected, 0.0

    def _refresh(self, connection: Connection[Any]) -> None:
        if monotonic() >= self._refresh_at:
            self._refresh_at = monotonic() + _REFRESH_SECONDS
            self._held = restores.hold_reason(connection)
