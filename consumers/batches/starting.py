"""Where reading of a partition begins (architecture.md, P3). A position is recognised by the record before it: offsets
alone prove nothing about a log that was restored, lost its tail, or was made again."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import structlog
from kafka import TopicPartition
from psycopg import Connection

from consumers.batches.metrics import ConsumerMetrics
from infra.kafka.consumer import GroupReader, IncomingRecord, OffsetRange
from infra.kafka.record_reader import RecordReader
from infra.postgres.messaging import restores
from infra.postgres.messaging.offsets import Offsets, Partition, Position, RecordMark
from infra.process.readiness import every_reason

log = structlog.get_logger("consumer")


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading begins. `lost`: records that the broker deleted before they were read. `moved`: this is not the
    stored position. `broken`: the log is another one than the one that was read. `check`: the record before `offset`,
    by which the log is recognised when it is read next."""

    offset: int
    lost: int = 0
    moved: bool = True
    broken: bool = False
    check: RecordMark | None = None


def start_of(stored: Position | None, topic_id: str, range_: OffsetRange) -> Start | None:
    """Returns where to begin with a partition; None if the log was cut back, so that the place where it parts from the
    one that was read has to be found (`parting_of`). One that was never read, or whose topic was created again, is read
    from its beginning (unique keys absorb repeats); a log that lost its oldest records is read from the first that is
    left."""
    if stored is None:
        return Start(range_.begin)
    if stored.topic_id != topic_id:
        return Start(range_.begin, broken=True)
    if stored.next_offset > range_.end:
        return None
    if stored.next_offset < range_.begin:
        return Start(range_.begin, lost=range_.begin - stored.next_offset)
    check = stored.last if stored.last is not None and stored.last.offset >= range_.begin else None
    return Start(stored.next_offset, moved=False, check=check)


def parting_of(
    marks: Sequence[RecordMark], range_: OffsetRange, record_at: Callable[[int], IncomingRecord | None]
) -> RecordMark | None:
    """Returns the last mark that is still true of a log, in order of the offsets: behind it the log may be another one
    than the one that was read. None: no mark is true. O(log marks) reads."""
    held = [mark for mark in marks if range_.begin <= mark.offset < range_.end]
    low, high = 0, len(held)  # those before `low` are true, those from `high` on are not
    while low < high:
        middle = (low + high) // 2
        if is_at(held[middle], record_at(held[middle].offset)):
            low = middle + 1
        else:
            high = middle
    return held[low - 1] if low else None


def restored_until_of(stored: Position | None, committed: int) -> int:
    """Returns the offset before which records were processed before the database was restored; 0: it was not. A group
    commits to Kafka only after PostgreSQL, so it is ahead of PostgreSQL only if that went back."""
    known, before = (stored.next_offset, stored.restored_until) if stored is not None else (0, 0)
    return committed if committed > max(known, before) else before


def is_at(mark: RecordMark, record: IncomingRecord | None) -> bool:
    """Returns whether a record is the one that was marked."""
    return record is not None and mark_of(record) == mark


def mark_of(record: IncomingRecord) -> RecordMark:
    """Returns what a record is recognised by."""
    return RecordMark(record.offset, record.at, record.digest)


def partition_of(record: IncomingRecord) -> TopicPartition:
    """Returns the partition of a record: the origin of its poison."""
    return TopicPartition(record.topic, record.partition)


class PartitionStarter:
    """Starts reading partitions at their positions in PostgreSQL, and recognises their logs.

    `transaction`: as for the batch loop."""

    def __init__(
        self,
        reader: GroupReader,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        group: str,
        metrics: ConsumerMetrics,
    ) -> None:
        self._reader = reader
        self._transaction = transaction
        self._group = group
        self._metrics = metrics
        self._lost = 0
        self._held: str | None = None
        self._restored_until: dict[TopicPartition, int] = {}
        self._unchecked: dict[TopicPartition, RecordMark] = {}
        self._parted: set[TopicPartition] = set()

    def not_ready_reason(self) -> str | None:
        """Returns what somebody has to know before this process is ready; None: nothing."""
        lost = f"{self._lost} records were deleted by the broker before they were read; see witiop doctor"
        return every_reason(lost if self._lost else None, self._held)

    def start(self, partition: TopicPartition, range_: OffsetRange) -> int:
        """Starts reading a partition and returns the offset of the first record that counts. The one before it is read
        as well, to recognise the log. Raises BrokerUnreachable, psycopg errors."""
        here, topic_id = Partition(*partition), self._reader.topic_id(partition.topic)
        committed = min(self._reader.committed(partition), range_.end)
        with self._transaction() as connection:
            offsets = Offsets(connection, self._group)
            stored, trail = offsets.read([here]).get(here), offsets.trail(here)
        start = start_of(stored, topic_id, range_)
        if start is None or (partition in self._parted and not start.broken):
            start = self._start_at_parting(here, [*trail, *([stored.last] if stored and stored.last else [])], range_)
        restored_until = 0 if start.broken else restored_until_of(stored, committed)
        if start.broken and committed > start.offset:
            # of the log before: at the next start it would look like a commit that the database has lost
            self._reader.commit_now(partition, start.offset)
        with self._transaction() as connection:
            offsets = Offsets(connection, self._group)
            if start.broken:
                offsets.start_again(here, Position(topic_id, start.offset, start.check))
            elif start.moved:
                offsets.start(here, Position(topic_id, start.offset), start.lost)
            if stored is None or restored_until > stored.restored_until:
                self._note_restore(connection, here, restored_until)
            self._held = restores.hold_reason(connection)
        self._report(here, start)
        self._parted.discard(partition)
        self._restored_until[partition] = restored_until
        self._unchecked.pop(partition, None)
        if start.check is not None:
            self._unchecked[partition] = start.check
        self._reader.resume_from(partition, start.check.offset if start.check else start.offset)
        return start.offset

    def _note_restore(self, connection: Connection[Any], here: Partition, until: int) -> None:
        if until:
            Offsets(connection, self._group).mark_restored(here, until)
            restores.recognise(connection)
            log.critical("consumer.database_restored", topic=here.topic, partition=here.partition, until=until)

    def refresh(self, connection: Connection[Any]) -> None:
        """Asks whether a restore of the database is confirmed by now."""
        if self._held is not None:
            self._held = restores.hold_reason(connection)

    def marked(self, records: Sequence[IncomingRecord]) -> Sequence[IncomingRecord]:
        """Returns the records, marked if they were processed before the database was restored."""
        if not any(self._restored_until.values()):
            return records
        until = self._restored_until
        return [r._replace(again=True) if r.offset < until.get(partition_of(r), 0) else r for r in records]

    def is_recognised(self, partition: TopicPartition) -> bool:
        """Returns whether the log of a started partition is known to be the one that was read."""
        return partition not in self._unchecked

    def unlike(self, records: Iterable[IncomingRecord]) -> list[TopicPartition]:
        """Compares the first record of each partition that was just started with the one that was read before it.
        Returns the partitions whose log is another one; they have to be started again."""
        parted: list[TopicPartition] = []
        for record in records if self._unchecked else ():
            partition = partition_of(record)
            check = self._unchecked.pop(partition, None)
            if check is not None and not is_at(check, record):
                parted.append(partition)
        self._parted.update(parted)
        return parted

    def _start_at_parting(self, here: Partition, marks: Sequence[RecordMark], range_: OffsetRange) -> Start:
        """Returns where a log parts from the one that was read."""
        with RecordReader(self._reader.connection) as records:
            mark = parting_of(marks, range_, lambda offset: records.at(here.topic, here.partition, offset))
        return Start(mark.offset + 1 if mark else range_.begin, broken=True, check=mark)

    def _report(self, here: Partition, start: Start) -> None:
        if start.lost:
            self._lost += start.lost
            self._metrics.lost(start.lost)
            log.critical("consumer.records_lost", topic=here.topic, partition=here.partition, lost=start.lost)
        if start.broken:
            self._metrics.broken()
            log.critical("consumer.log_broken", topic=here.topic, partition=here.partition, from_offset=start.offset)
