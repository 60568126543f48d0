"""What workers have parked, for people: a worker itself remembers it in memory. Raises psycopg errors."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection


class ParkedItems:
    """The items of one worker, each method in a transaction of its own. `transaction`: as for the consumers."""

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection[Any]]], worker: str) -> None:
        self._transaction = transaction
        self.worker = worker

    def add(self, item: UUID, reason: str, seconds: float) -> None:
        """Stores that the worker leaves an item alone for so long, also if it is here already. Removes items whose time
        was over a day ago: another process has processed them, or they no longer exist."""
        with self._transaction() as connection:
            connection.execute("delete from parked where until < now() - interval '1 day'")
            connection.execute(
                "insert into parked (worker, item, reason, since, until) "
                "values (%b, %b, %b, now(), now() + make_interval(secs => %b)) "
                "on conflict (worker, item) do update set reason = excluded.reason, until = excluded.until",
                [self.worker, item, reason, seconds],
            )

    def remove(self, items: Collection[UUID]) -> None:
        """Removes items that the worker has processed."""
        with self._transaction() as connection:
            connection.execute(
                "delete from parked where worker = %b and item = any(%b::uuid[])", [self.worker, list(items)]
            )


class ParkedSummary(NamedTuple):
    """Conversations or mails that a worker could not process for one reason: how many, one of them, and since when the
    first of them."""

    worker: str
    reason: str
    items: int
    example: UUID
    since: datetime


def parked_now(connection: Connection[Any]) -> list[ParkedSummary]:
    """Returns what is parked now, by worker and reason."""
    rows = connection.execute(
        "select worker, reason, count(*)::integer, min(item::text)::uuid, min(since) from parked where until > now() "
        "group by worker, reason order by worker, reason"
    )
    return [ParkedSummary(*row) for row in rows]
