"""The positions of consumer groups, stored next to the state that their records led to (architecture.md, P3)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from infra.postgres.connections.arrays import column_arrays


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class RecordMark(NamedTuple):
    """What a record of a partition is recognised by: its offset, when the broker accepted it (aware UTC), and a hash of
    its value."""

    offset: int
    at: datetime
    digest: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a group in a partition. `next_offset`: the first record that is not processed; `topic_id`:
    distinguishes the topic from one that was created later under the same name; `last`: the record before
    `next_offset`, None if it is not known; `restored_until`: records before this offset were processed before the
    database was restored."""

    topic_id: str
    next_offset: int
    last: RecordMark | None = None
    restored_until: int = 0


TRAIL_STEP = 1000
"""One record in so many is remembered, so that a few reads find where a log parts from the one that was read."""
_TRAIL_RECORDS = 20_000_000
"""How far back records are remembered."""


class FencedOut(Exception):
    """Another consumer of the group has moved the position: nothing of this batch may be written."""


class Offsets:
    """The positions of one consumer group, on one connection. Raises psycopg errors."""

    def __init__(self, connection: Connection[Any], group: str) -> None:
        self._connection = connection
        self._group = group
        self._locked: Mapping[Partition, int] = {}

    def read(self, partitions: Collection[Partition]) -> dict[Partition, Position]:
        """Returns the positions; partitions that the group has never read are missing."""
        return self._read(partitions, lock=False)

    def lock(self, expected: Mapping[Partition, int]) -> None:
        """Locks the positions: the first statement of a batch. Raises FencedOut unless they are the expected ones."""
        positions = self._read(expected, lock=True)
        self._locked = expected
        for partition, offset in expected.items():
            if partition not in positions or positions[partition].next_offset != offset:
                raise FencedOut(f"{partition.topic}[{partition.partition}] is no longer at offset {offset}")

    def advance(self, last: Mapping[Partition, RecordMark]) -> None:
        """Moves the locked positions behind the last record that was processed, and raises the watermarks to its time:
        the last but one statement of a batch."""
        rows = sorted((*partition, mark.offset + 1, mark.at, mark.digest) for partition, mark in last.items())
        self._connection.execute(
            "update consumer_offsets o set next_offset = t.next_offset, progressed_at = now(), "
            "caught_up_to = greatest(o.caught_up_to, t.at), last_at = t.at, last_hash = t.hash "
            "from unnest(%b::text[], %b::integer[], %b::bigint[], %b::timestamptz[], %b::bytea[]) "
            "as t (topic, partition, next_offset, at, hash) "
            "where o.group_name = %b and o.topic = t.topic and o.partition = t.partition",
            [*column_arrays(rows), self._group],
        )
        self._remember(
            {p: m for p, m in last.items() if (m.offset + 1) // TRAIL_STEP > self._locked.get(p, 0) // TRAIL_STEP}
        )

    def _remember(self, marks: Mapping[Partition, RecordMark]) -> None:
        for partition, mark in sorted(marks.items()):
            here = [self._group, *partition]
            self._connection.execute(
                "insert into consumer_trail values (%b, %b, %b, %b, %b, %b) on conflict do nothing", [*here, *mark]
            )
            self._connection.execute(
                'delete from consumer_trail where group_name = %b and topic = %b and partition = %b and "offset" < %b',
                [*here, mark.offset - _TRAIL_RECORDS],
            )

    def trail(self, partition: Partition) -> list[RecordMark]:
        """Returns the records of a partition that are remembered, in order of their offsets, without the last one."""
        rows = self._connection.execute(
            'select "offset", at, hash from consumer_trail where group_name = %b and topic = %b and partition = %b '
            'order by "offset"',
            [self._group, *partition],
        ).fetchall()
        return [RecordMark._make(row) for row in rows]

    def start(self, partition: Partition, position: Position, lost: int = 0) -> None:
        """Stores a position that does not follow from a batch: in a new partition, or after records that the broker
        deleted before we read them. `lost`: the number of those records; it is added to the partition's total."""
        self._connection.execute(
            "insert into consumer_offsets as o "
            "(group_name, topic, topic_id, partition, next_offset, caught_up_to, progressed_at, lost) "
            "values (%s, %s, %s, %s, %s, 'epoch', now(), %s) "
            "on conflict (group_name, topic, partition) do update set topic_id = excluded.topic_id, "
            "next_offset = excluded.next_offset, progressed_at = now(), lost = o.lost + excluded.lost, "
            "last_at = null, last_hash = null",
            [self._group, partition.topic, position.topic_id, partition.partition, position.next_offset, lost],
        )

    def mark_restored(self, partition: Partition, until: int) -> None:
        """Notes that records before this offset were processed before the database was restored."""
        self._connection.execute(
            "update consumer_offsets set restored_until = %s where group_name = %s and topic = %s and partition = %s",
            [until, self._group, *partition],
        )

    def start_again(self, partition: Partition, position: Position) -> None:
        """Stores the position at which a log parts from the one that was read, and counts the break. What was
        remembered of the other log is forgotten, and the watermark goes back with the position."""
        here = [self._group, *partition]
        last = position.last
        self._connection.execute(
            "update consumer_offsets set topic_id = %s, next_offset = %s, progressed_at = now(), breaks = breaks + 1, "
            "caught_up_to = least(caught_up_to, coalesce(%s, 'epoch'::timestamptz)), last_at = %s, last_hash = %s, "
            "restored_until = null where group_name = %s and topic = %s and partition = %s",
            [
                position.topic_id,
                position.next_offset,
                last and last.at,
                last and last.at,
                last and last.digest,
                *here,
            ],
        )
        self._connection.execute(
            'delete from consumer_trail where group_name = %s and topic = %s and partition = %s and "offset" >= %s',
            [*here, position.next_offset],
        )

    def idle(self, at: Mapping[Partition, int], until: Mapping[Partition, datetime]) -> None:
        """Raises the watermarks of partitions that the group had read to their end at the given times. `at`: the
        expected positions; a partition with another position is skipped."""
        rows = sorted((*partition, offset, until[partition]) for partition, offset in at.items())
        if not rows:
            return
        self._connection.execute(
            "update consumer_offsets o set caught_up_to = greatest(o.caught_up_to, t.until), progressed_at = now() "
            "from unnest(%b::text[], %b::integer[], %b::bigint[], %b::timestamptz[]) "
            "as t (topic, partition, next_offset, until) where o.group_name = %b and o.topic = t.topic "
            "and o.partition = t.partition and o.next_offset = t.next_offset",
            [*column_arrays(rows), self._group],
        )

    def _read(self, partitions: Collection[Partition], lock: bool) -> dict[Partition, Position]:
        if not partitions:
            return {}
        rows = self._connection.execute(
            "select topic, partition, topic_id, next_offset, last_at, last_hash, coalesce(restored_until, 0) "
            "from consumer_offsets "
            "where group_name = %b "
            "and (topic, partition) in (select * from unnest(%b::text[], %b::integer[])) order by topic, partition"
            + (" for update" if lock else ""),
            [self._group, *column_arrays(sorted(partitions))],
        ).fetchall()
        return {
            Partition(topic, number): Position(
                topic_id, offset, RecordMark(offset - 1, at, digest) if digest else None, restored_until
            )
            for topic, number, topic_id, offset, at, digest, restored_until in rows
        }


def processed_until(connection: Connection[Any], group: str, topic: str) -> dict[int, int]:
    """Returns partition -> the first record that a group has not processed."""
    rows = connection.execute(
        "select partition, next_offset from consumer_offsets where group_name = %s and topic = %s", [group, topic]
    ).fetchall()
    return {row[0]: row[1] for row in rows}


def started_partitions(connection: Connection[Any], topic: str) -> set[int]:
    """Returns the partitions of a topic that a consumer has started to read. Raises psycopg errors."""
    rows = connection.execute("select partition from consumer_offsets where topic = %s", [topic])
    return {partition for (partition,) in rows}


def inbound_watermark(connection: Connection[Any], topic: str, stalled_seconds: float | None = None) -> datetime:
    """Returns the lowest watermark of the topic's partitions, or the database's current time if that is earlier.
    Partitions without progress for `stalled_seconds` are ignored (None: no partition is). Raises psycopg errors."""
    # an unprocessed record may keep a window open, so timer and routing must not go beyond the watermark (P6a)
    row = connection.execute(
        "select least(now(), min(caught_up_to) filter (where %(stalled)s::float is null "
        "or progressed_at > now() - make_interval(secs => %(stalled)s))) from consumer_offsets where topic = %(topic)s",
        {"stalled": stalled_seconds, "topic": topic},
    ).fetchone()
    assert row is not None
    now: datetime = row[0]
    return now
