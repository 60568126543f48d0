"""Where each consumer group stands in each partition, kept next to the state it led to (architecture.md, P3)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from infra.postgres.connections.arrays import column_arrays


class Partition(NamedTuple):
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Position:
    """`next_offset`: the first record not worked in. `topic_id` tells a topic from another that later took its name."""

    topic_id: str
    next_offset: int


class FencedOut(Exception):
    """Another consumer of the group moved on from here: nothing of this batch may be written."""


class Offsets:
    """Of one consumer group, on one connection. Raises psycopg errors."""

    def __init__(self, connection: Connection[Any], group: str) -> None:
        self._connection = connection
        self._group = group

    def read(self, partitions: Collection[Partition]) -> dict[Partition, Position]:
        """Where the group stands; partitions it never read are missing."""
        return self._read(partitions, lock=False)

    def lock(self, expected: Mapping[Partition, int]) -> None:
        """The first statement of a batch. Raises StolenPartition unless the group still stands where the caller
        believes."""
        standing = self._read(expected, lock=True)
        for partition, offset in expected.items():
            if partition not in standing or standing[partition].next_offset != offset:
                raise FencedOut(f"{partition.topic}[{partition.partition}] is not at {offset} any more")

    def advance(self, to: Mapping[Partition, int], caught_up_to: Mapping[Partition, datetime]) -> None:
        """The last but one statement of a batch: the locked rows move to the first record that was not worked in."""
        rows = sorted((*partition, offset, caught_up_to[partition]) for partition, offset in to.items())
        self._connection.execute(
            "update consumer_offsets o set next_offset = t.next_offset, progressed_at = now(), "
            "caught_up_to = greatest(o.caught_up_to, t.caught_up_to) "
            "from unnest(%b::text[], %b::integer[], %b::bigint[], %b::timestamptz[]) "
            "as t (topic, partition, next_offset, caught_up_to) "
            "where o.group_name = %b and o.topic = t.topic and o.partition = t.partition",
            [*column_arrays(rows), self._group],
        )

    def start(self, partition: Partition, position: Position, lost: int) -> None:
        """Sets where reading (re)starts: a partition that is new, a topic made again, or records the broker deleted
        before we read them (`lost`, added up)."""
        self._connection.execute(
            "insert into consumer_offsets as o "
            "(group_name, topic, topic_id, partition, next_offset, caught_up_to, progressed_at, lost) "
            "values (%s, %s, %s, %s, %s, 'epoch', now(), %s) "
            "on conflict (group_name, topic, partition) do update set topic_id = excluded.topic_id, "
            "next_offset = excluded.next_offset, progressed_at = now(), lost = o.lost + excluded.lost",
            [self._group, partition.topic, position.topic_id, partition.partition, position.next_offset, lost],
        )

    def idle(self, at: Mapping[Partition, int], until: Mapping[Partition, datetime]) -> None:
        """The group read to the end of these partitions at these moments: nothing waits there. Only where the group
        still stands where the caller believes."""
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
            "select topic, partition, topic_id, next_offset from consumer_offsets where group_name = %b "
            "and (topic, partition) in (select * from unnest(%b::text[], %b::integer[])) order by topic, partition"
            + (" for update" if lock else ""),
            [self._group, *column_arrays(sorted(partitions))],
        ).fetchall()
        return {Partition(topic, number): Position(topic_id, offset) for topic, number, topic_id, offset in rows}


def begun(connection: Connection[Any], topic: str) -> set[int]:
    """The partitions of a topic that some consumer has begun to read."""
    rows = connection.execute("select partition from consumer_offsets where topic = %s", [topic])
    return {partition for (partition,) in rows}


def inbound_watermark(connection: Connection[Any], topic: str, stalled_seconds: float | None) -> datetime:
    """The database's now, but no later than every partition of the topic is caught up to: what waits there may keep a
    window open (P6a). A partition without progress for `stalled_seconds` is not waited for; None: all are."""
    row = connection.execute(
        "select least(now(), min(caught_up_to) filter (where %(stalled)s::float is null "
        "or progressed_at > now() - make_interval(secs => %(stalled)s))) from consumer_offsets where topic = %(topic)s",
        {"stalled": stalled_seconds, "topic": topic},
    ).fetchone()
    assert row is not None
    now: datetime = row[0]
    return now
