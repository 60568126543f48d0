"""Hints that conversations or mails changed (architecture.md, P6b): never data, and one that is lost costs a delay."""

from typing import Any, Self

from psycopg import Connection

from infra.postgres.connections.pool import connect

_CHANNEL = "witiop_changed"


class ChangeHints:
    """One connection that listens. Not thread-safe. Raises psycopg.OperationalError when it is lost."""

    def __init__(self, dsn: str) -> None:
        self._connection: Connection[Any] = connect(dsn, "hints", autocommit=True)
        self._connection.execute(f"listen {_CHANNEL}")

    def wait(self, seconds: float) -> bool:
        """Whether something changed since the last call; waits at most so long for it."""
        heard = any([True for _ in self._connection.notifies(timeout=seconds, stop_after=1)])  # noqa: C419 - all of it
        return any([True for _ in self._connection.notifies(timeout=0)]) or heard  # noqa: C419

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
