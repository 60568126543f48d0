"""Notifications of PostgreSQL (LISTEN and NOTIFY) as hints: they have no data, and losing one costs only a delay
(architecture.md, P6b)."""

from typing import Any

from psycopg import Connection, Notify


def was_notified(connection: Connection[Any], seconds: float) -> bool:
    """Returns whether the connection, which listens, was notified since the last call; blocks for `seconds` at most.
    Several notifications count as one. Raises psycopg.OperationalError when the connection is lost."""
    return bool(received(connection, seconds))


def received(connection: Connection[Any], seconds: float) -> list[Notify]:
    """Returns the notifications of a connection that listens, since the last call; blocks for `seconds` at most, until
    the first one. Raises psycopg.OperationalError when the connection is lost."""
    return [*connection.notifies(timeout=seconds, stop_after=1), *connection.notifies(timeout=0)]
