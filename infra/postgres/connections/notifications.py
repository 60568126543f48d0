"""Notifications of PostgreSQL (LISTEN and NOTIFY) as hints: they have no data, and losing one costs only a delay
(architecture.md, P6b)."""

from typing import Any

from psycopg import Connection


def was_notified(connection: Connection[Any], seconds: float) -> bool:
    """Returns whether the connection, which listens, was notified since the last call; blocks for `seconds` at most.
    Several notifications count as one. Raises psycopg.OperationalError when the connection is lost."""
    received = any([True for _ in connection.notifies(timeout=seconds, stop_after=1)])  # noqa: C419 - read all of them
    return any([True for _ in connection.notifies(timeout=0)]) or received  # noqa: C419
