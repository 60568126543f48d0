"""Reads dead letters for people and marks them as replayed. Newest first, then by id.

The table `set_aside` and its column `redriven_at` keep the names of their first migration; code says dead letter and
`replayed_at`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from infra.postgres.connections.arrays import column_arrays
from infra.postgres.lists.cursor import START, Cursor


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A dead letter without its raw bytes.

    `source` names the reader of the bytes, `bytes` is their number, and `replayed_at` is the time of the last replay.
    """

    id: UUID
    kind: Literal["unreadable", "dead_letter"]
    source: str
    reason: str
    received_at: datetime
    bytes: int
    replayed_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """A page of dead letters; `next` is the cursor of the next page, None on the last one."""

    rows: Sequence[DeadLetterRow]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A dead letter with its raw bytes and the record that held them."""

    row: DeadLetterRow
    raw: bytes
    topic: str
    partition: int
    offset: int


def page(connection: Connection[Any], rows: int, after: Cursor = START) -> DeadLetterPage:
    """Returns up to `rows` dead letters that follow the cursor. Raises psycopg errors."""
    cursor = connection.cursor(row_factory=class_row(DeadLetterRow))
    found = cursor.execute(
        """
        select id, kind, source, reason, received_at, octet_length(raw) as bytes, redriven_at as replayed_at
        from set_aside where (received_at, id) < (%s, %s) order by received_at desc, id desc limit %s
        """,
        (after.at, after.id, rows + 1),
    ).fetchall()
    shown = found[:rows]
    return DeadLetterPage(shown, Cursor(shown[-1].received_at, shown[-1].id) if len(found) > rows else None)


def find(connection: Connection[Any], id_: UUID) -> StoredDeadLetter | None:
    """Returns the dead letter with this id, None if there is none. Raises psycopg errors."""
    found = connection.execute(
        """
        select id, kind, source, reason, received_at, octet_length(raw), redriven_at, raw, topic, partition, "offset"
        from set_aside where id = %s
        """,
        (id_,),
        binary=True,
    ).fetchone()
    return StoredDeadLetter(DeadLetterRow(*found[:7]), *found[7:]) if found else None


def waiting(connection: Connection[Any]) -> list[UUID]:
    """Returns the ids of dead letters that were never replayed, oldest first. Raises psycopg errors."""
    found = connection.execute("select id from set_aside where redriven_at is null order by received_at, id")
    return [id_ for (id_,) in found]


def mark_replayed(connection: Connection[Any], id_: UUID) -> None:
    """Marks a dead letter as replayed now, by the database's clock. Raises psycopg errors."""
    connection.execute("update set_aside set redriven_at = now() where id = %s", (id_,))


class ReplayProgress(NamedTuple):
    """What became of replayed records: how many no consumer has processed yet, and how many became dead letters."""

    waiting: int
    dead: int


def unprocessed(connection: Connection[Any], topic: str, places: Sequence[tuple[int, int]]) -> ReplayProgress:
    """Returns the progress of the records with these partitions and offsets. An early record counts as processed.
    Raises psycopg errors."""
    row = connection.execute(
        'with t as (select * from unnest(%b::integer[], %b::bigint[]) as t (partition, "offset")) select '
        "(select count(*) from t where not exists (select from consumer_offsets o where o.topic = %b "
        'and o.partition = t.partition and o.next_offset > t."offset")), '
        "(select count(*) from t join set_aside s on s.topic = %b and s.partition = t.partition "
        'and s."offset" = t."offset" where s.redriven_at is null)',
        [*column_arrays(places), topic, topic],
    ).fetchone()
    assert row is not None
    return ReplayProgress(*row)
