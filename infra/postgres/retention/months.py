"""Partitions of entries and history by month. The functions of the database do the work, with the rights of its owner
(migration 47). Raises psycopg errors: LockNotAvailable where others use a table for too long."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from infra.postgres.retention.people import allow_long


class Month(NamedTuple):
    """A partition. `low` None: from the beginning; `high`: exclusive."""

    parent: str
    name: str
    low: datetime | None
    high: datetime


def next_month_step(connection: Connection[Any], parent: str, ahead: int) -> str | None:
    """Does the next step towards a partition for each month up to `ahead` months from now; returns which, None: nothing
    is left to do. One step of each table reads it once, without keeping anybody from writing."""
    allow_long(connection)
    row = connection.execute("select next_month_step(%b, now(), %b::integer)", [parent, ahead]).fetchone()
    return row[0] if row else None


def drop_emptied_month(connection: Connection[Any], parent: str) -> str | None:
    """Drops the oldest partition that is over and empty; returns its name, None: there is none."""
    row = connection.execute(
        "select drop_emptied_month(%b, date_trunc('month', now(), 'UTC') - interval '1 month')", [parent]
    ).fetchone()
    return row[0] if row else None


def months_of(connection: Connection[Any], parent: str) -> list[Month]:
    """Returns the partitions of a table, the oldest first."""
    rows = connection.execute(
        "select parent, name, low, high from months where parent = %b order by high", [parent]
    ).fetchall()
    return [Month(*row) for row in rows]
