"""The database connection of a process that does one thing at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection

from infra.postgres.connections.pool import connect


class DatabaseSession:
    """A connection that is opened at its first use, and opened again after it broke. Not thread-safe; use it after any
    fork."""

    def __init__(self, dsn: str, name: str, *, waits_for_standby: bool = True) -> None:
        """See `infra.postgres.connections.pool.conninfo`."""
        self._dsn = dsn
        self._name = name
        self._waits_for_standby = waits_for_standby
        self._connection: Connection[Any] | None = None
        self.connected = 0
        """How often a connection was opened so far."""

    @contextmanager
    def transaction(self) -> Iterator[Connection[Any]]:
        """Runs a transaction: commits at the end, rolls back on an exception. Raises psycopg errors; after an error of
        the COMMIT itself it is unknown whether the transaction was committed."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(
                self._dsn, self._name, autocommit=True, waits_for_standby=self._waits_for_standby
            )
            self.connected += 1
        try:
            with self._connection.transaction():
                yield self._connection
        except psycopg.Error as error:
            # a server that is a standby now keeps its connections; the address may lead to the new primary
            if self._connection.broken or isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
                self._connection.close()
            raise

    def close(self) -> None:
        """Closes the connection, if it is open."""
        if self._connection is not None:
            self._connection.close()
