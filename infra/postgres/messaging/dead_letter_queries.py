"""What was set aside, for a person to look at and to send through again: newest first, then id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from infra.postgres.lists.cursor import START, Cursor


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """`source`: which reader the bytes are for. `bytes`: how many. `redriven_at`: when they last went through again."""

    id: UUID
    kind: Literal["unreadable", "dead_letter"]
    source: str
    reason: str
    received_at: datetime
    bytes: int
    redriven_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """Rows, and the cursor of the next page (None: this was the last)."""

    rows: Sequence[DeadLetterRow]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """One of them with its raw bytes, and where they were found."""

    row: DeadLetterRow
    raw: bytes
    topic: str
    partition: int
    offset: int


def page(connection: Connection[Any], rows: int, after: Cursor = START) -> DeadLetterPage:
    """Raises psycopg errors."""
    cursor = connection.cursor(row_factory=class_row(DeadLetterRow))
    found = cursor.execute(
        """
        select id, kind, source, reason, received_at, octet_length(raw) as bytes, redriven_at from set_aside
        where (received_at, id) < (%s, %s) order by received_at desc, id desc limit %s
        """,
        (after.at, after.id, rows + 1),
    ).fetchall()
    shown = found[:rows]
    return DeadLetterPage(shown, Cursor(shown[-1].received_at, shown[-1].id) if len(found) > rows else None)


def find(connection: Connection[Any], id_: UUID) -> StoredDeadLetter | None:
    """The one with this id. Raises psycopg errors."""
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
    """Those that never went through again, the oldest first. Raises psycopg errors."""
    found = connection.execute("select id from set_aside where redriven_at is null order by received_at, id")
    return [id_ for (id_,) in found]


def mark_replayed(connection: Connection[Any], id_: UUID) -> None:
    """Now, by the database's clock. Raises psycopg errors."""
    connection.execute("update set_aside set redriven_at = now() where id = %s", (id_,))
