"""Hints of the database that something changed (architecture.md, P6b). A hint has no data, and losing one costs only a
delay."""

from collections.abc import Callable, Sequence
from typing import Any, LiteralString, Self

import psycopg
from psycopg import Connection

from infra.postgres.connections.notifications import received
from infra.postgres.connections.pool import connect

CHANGES: LiteralString = "witiop_changed"
"""Channel: conversations, mails, sends, message statuses or results of commands changed."""
SENDS: LiteralString = "witiop_sends"
"""Channel: something is to be sent."""
MEDIA: LiteralString = "witiop_media"
"""Channel: a customer sent a file."""
SYNC: LiteralString = "witiop_sync"
"""Channel: somebody wants templates and numbers to be read from Meta now."""


TRACES: LiteralString = "witiop_traces"
"""Channel: the steps of traces that changed something. The only channel with data, and only where traces are on."""
_TOLD_TRACES = 100
"""A notification takes 8,000 bytes."""


def tell_traces(connection: Connection[Any], traceparents: Sequence[str]) -> None:
    """Tells those who listen to `TRACES` which steps the transaction belongs to, a hundred at most."""
    connection.execute("select pg_notify(%b, %b)", [TRACES, " ".join(traceparents[:_TOLD_TRACES])])


class ChangeHints:
    """A connection that receives the hints of one channel. Not thread-safe. Raises psycopg.OperationalError when it is
    lost."""

    def __init__(
        self, dsn: str, channel: LiteralString = CHANGES, traced: Callable[[Sequence[str]], None] | None = None
    ) -> None:
        """`traced`: gets the steps of traces that changed something, when they are received; None: nobody asks."""
        self._connection: Connection[Any] = connect(dsn, "hints", autocommit=True)
        self._connection.execute(f"listen {channel}")
        self._traced = traced
        if traced is not None:
            self._connection.execute(f"listen {TRACES}")

    def wait(self, seconds: float) -> bool:
        """Returns whether something changed since the last call; blocks for `seconds` at most."""
        notifications = received(self._connection, seconds)
        if self._traced is not None:
            self._traced([step for each in notifications if each.channel == TRACES for step in each.payload.split()])
        return bool(notifications)

    def close(self) -> None:
        """Disconnects."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LastingHints:
    """The hints of one channel for a worker, which goes on after its connection was lost. Not thread-safe."""

    def __init__(self, dsn: str, channel: LiteralString) -> None:
        self._dsn = dsn
        self._channel = channel
        self._hints: ChangeHints | None = None

    def wait(self, seconds: float) -> bool:
        """Returns whether something may have changed; blocks for `seconds` at most. Raises psycopg.OperationalError
        when the connection is lost; the next call connects again."""
        if self._hints is None:
            self._hints = ChangeHints(self._dsn, self._channel)
            return True  # something may have changed while there was no connection
        try:
            return self._hints.wait(seconds)
        except psycopg.OperationalError:
            self.close()
            raise

    def close(self) -> None:
        """Disconnects."""
        if self._hints is not None:
            self._hints.close()
            self._hints = None
