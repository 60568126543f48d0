"""Hints that conversations, mails, message statuses or results of commands changed (architecture.md, P6b). A hint has
no data, and losing one costs only a delay."""

from typing import Any, Self

from psycopg import Connection

from infra.postgres.connections.notifications import was_notified
from infra.postgres.connections.pool import connect

_CHANNEL = "witiop_changed"


class ChangeHints:
    """A connection that receives hints. Not thread-safe. Raises psycopg.OperationalError when it is lost."""

    def __init__(self, dsn: str) -> None:
        self._connection: Connection[Any] = connect(dsn, "hints", autocommit=True)
        self._connection.execute(f"listen {_CHANNEL}")

    def wait(self, seconds: float) -> bool:
        """Returns whether something changed since the last call; blocks for `seconds` at most."""
        return was_notified(self._connection, seconds)

    def close(self) -> None:
        """Disconnects."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
