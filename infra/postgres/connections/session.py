"""One connection of a process that works on one thing at a time, made again when it breaks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection

from infra.postgres.connections.pool import connect


class DatabaseSession:
    """Not thread-safe; opened at the first use, after any fork."""

    def __init__(self, dsn: str, name: str) -> None:
        self._dsn = dsn
        self._name = name
        self._connection: Connection[Any] | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection[Any]]:
        """A transaction: committed at the end, rolled back by an exception. Raises psycopg errors; an error from COMMIT
        itself leaves open whether it happened."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._dsn, self._name, autocommit=True)
        try:
            with self._connection.transaction():
                yield self._connection
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if self._connection.broken:
                self._connection.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
