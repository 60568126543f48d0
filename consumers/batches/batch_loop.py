"""The batch protocol of every consumer (architecture.md, P2 to P5): one poll, one transaction.

The group's position is stored in Postgres next to the state, and moves in the same transaction. So each record has its
effect exactly once, whatever process dies and whatever offsets Kafka holds. A record that cannot be processed becomes a
dead letter. While a server cannot be reached, the loop backs off and keeps its membership in the group.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event as Flag
from time import monotonic
from typing import Any, Protocol

import psycopg
import structlog
from kafka import TopicPartition
from psycopg import Connection

from consumers.batches.metrics import ConsumerMetrics
from consumers.batches.poison import PoisonPolicy, PoisonStorm
from infra.kafka.consumer import BrokerUnreachable, GroupReader, IncomingRecord, OffsetRange
from infra.postgres.connections.clock import database_now
from infra.postgres.connections.faults import fault
from infra.postgres.messaging.dead_letters import DeadLetter, store_dead_letters
from infra.postgres.messaging.offsets import FencedOut, Offsets, Partition, Position
from infra.process.backoff import Backoff
from infra.process.crash_points import crash_point
from infra.process.memory import collect_rarely

_POLL_SECONDS = 0.5
_PACE_SECONDS = 0.1
"""A batch costs some milliseconds however small it is, so a batch that follows another one soon waits this long for
more records. A full batch does not wait, nor does one after a pause."""
_HEARTBEAT_SECONDS = 1.0
"""Heartbeat interval for idle partitions: the timer waits for their watermark (P6a)."""

log = structlog.get_logger("consumer")


class Handler(Protocol):
    """Processes the records of a topic, inside the batch's transaction."""

    def apply(self, connection: Connection[Any], records: Sequence[IncomingRecord]) -> None:
        """Processes the records, in order. Raises Poison, RetryBatch, psycopg errors; nothing else is expected."""
        ...


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading begins. `lost`: records that the broker deleted before they were read. `moved`: this is not the
    stored position."""

    offset: int
    lost: int = 0
    moved: bool = True


def start_of(stored: Position | None, topic_id: str, range_: OffsetRange) -> Start:
    """Returns where to begin with a partition. One that was never read, a topic that was created again, or a log that
    was cut back is read from its beginning (unique keys absorb repeats); a log that lost its oldest records is read
    from the first that is left."""
    if stored is None or stored.topic_id != topic_id or stored.next_offset > range_.end:
        return Start(range_.begin)
    if stored.next_offset < range_.begin:
        return Start(range_.begin, lost=range_.begin - stored.next_offset)
    return Start(stored.next_offset, moved=False)


class BatchLoop:
    """Runs one handler for one consumer group until stopped.

    `transaction`: opens a transaction on this loop's connection and reconnects when needed; raises psycopg errors.
    After a poison storm the loop is not ready, backs off for `storm_back_off_seconds` and tries again."""

    def __init__(
        self,
        reader: GroupReader,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        group: str,
        handler: Handler,
        metrics: ConsumerMetrics,
        poison: PoisonPolicy,
        storm_back_off_seconds: float = 60,
    ) -> None:
        self._reader = reader
        self._transaction = transaction
        self._group = group
        self._handler = handler
        self._metrics = metrics
        self._poison = poison
        self._storm_back_off_seconds = storm_back_off_seconds
        self._expected: dict[TopicPartition, int] = {}
        self._heartbeat_at = 0.0
        self._next_at = 0.0
        self._backoff = Backoff()
        self._not_ready: str | None = "has not reached its servers yet"
        self._lost = 0

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the loop from working, for /readyz; None: nothing."""
        if self._lost:
            return f"{self._lost} records were deleted by the broker before they were read; see witiop doctor"
        return self._not_ready

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours."""
        collect_rarely()
        try:
            while not stop.is_set():
                try:
                    stop.wait(max(0.0, self._next_at - monotonic()))
                    self._poll()
                except BrokerUnreachable as error:
                    self._back_off(stop, f"broker unreachable ({error})", self._backoff.next())
                except PoisonStorm as storm:
                    log.critical("consumer.poison_storm", group=self._group, reason=str(storm))
                    self._back_off(stop, str(storm), self._storm_back_off_seconds)
                except psycopg.Error as error:
                    if fault(error) != "transient":
                        raise
                    self._back_off(stop, f"database unreachable ({type(error).__name__})", self._backoff.next())
        finally:
            self._reader.close()

    def _poll(self) -> None:
        records = self._reader.poll(_POLL_SECONDS)
        if records:
            crash_point("consumer.after-poll")
        started = self._start_partitions()
        batch = self._expected_of(record for record in records if (record.topic, record.partition) not in started)
        if batch:
            self._next_at = 0.0 if len(records) >= self._reader.max_records else monotonic() + _PACE_SECONDS
            self._process(batch)
        self._heartbeat()
        self._backoff.reset()
        self._not_ready = None

    # where to read

    def _start_partitions(self) -> set[TopicPartition]:
        """Starts reading every partition that is new here at its position in Postgres, and returns those. Records that
        were already polled from them are void: they may lie behind that position, or on a topic that is gone."""
        new = self._reader.paused()
        for partition in set(self._expected) - self._reader.assigned():
            del self._expected[partition]
        if not new:
            return set()
        ranges = self._reader.offset_ranges(new)
        for partition in new:
            here = Partition(*partition)
            topic_id = self._reader.topic_id(partition.topic)
            with self._transaction() as connection:
                offsets = Offsets(connection, self._group)
                start = start_of(offsets.read([here]).get(here), topic_id, ranges[partition])
                if start.moved:
                    offsets.start(here, Position(topic_id, start.offset), start.lost)
            if start.lost:
                self._lost += start.lost
                self._metrics.lost(start.lost)
                log.critical("consumer.records_lost", topic=here.topic, partition=here.partition, lost=start.lost)
            self._expected[partition] = start.offset
            self._reader.resume_from(partition, start.offset)
        return set(new)

    def _expected_of(self, records: Iterable[IncomingRecord]) -> list[IncomingRecord]:
        """Drops records that were already processed, and records of partitions that were taken away."""
        batch = []
        for record in records:
            expected = self._expected.get(TopicPartition(record.topic, record.partition))
            if expected is not None and record.offset >= expected:
                batch.append(record)
        return batch

    def _forget_positions(self, partitions: Iterable[TopicPartition]) -> None:
        """Makes the next poll read the positions of these partitions from Postgres again."""
        partitions = list(partitions)
        for partition in partitions:
            self._expected.pop(partition, None)
        self._reader.pause(partitions)

    # the work

    def _process(self, batch: Sequence[IncomingRecord]) -> None:
        """Processes every record or makes it a dead letter."""
        try:
            self._poison.process(batch, self._transact)
        except FencedOut as fenced:
            log.info("consumer.fenced_out", group=self._group, what=str(fenced))
            self._forget_positions(_partitions(batch))
        except (PoisonStorm, psycopg.Error):
            self._forget_positions(_partitions(batch))
            raise

    def _transact(self, records: Sequence[IncomingRecord], poison: Mapping[int, str]) -> None:
        began = monotonic()
        good = [record for index, record in enumerate(records) if index not in poison]
        dead_letters = [_dead_letter(records[index], reason) for index, reason in poison.items()]
        partitions = _partitions(records)
        from_offsets = {Partition(*partition): self._expected[partition] for partition in partitions}
        to_offsets = {Partition(*partition): last.offset + 1 for partition, last in partitions.items()}
        with self._transaction() as connection:
            offsets = Offsets(connection, self._group)
            offsets.lock(from_offsets)
            if good:
                self._handler.apply(connection, good)
            crash_point("consumer.after-insert")
            store_dead_letters(connection, dead_letters)
            if dead_letters:
                crash_point("consumer.after-dead-letters")
            offsets.advance(to_offsets, {Partition(*p): last.at for p, last in partitions.items()})
            crash_point("consumer.before-commit")
        crash_point("consumer.after-commit-before-kafka-commit")
        for partition, last in partitions.items():
            self._expected[partition] = last.offset + 1
        self._reader.commit({partition: last.offset + 1 for partition, last in partitions.items()})
        for letter in dead_letters:
            log.error("consumer.dead_letter", topic=letter.topic, partition=letter.partition, offset=letter.offset)
        self._metrics.batch(len(records), monotonic() - began, len(dead_letters))

    # while nothing arrives, and while servers cannot be reached

    def _heartbeat(self) -> None:
        """Moves the watermark of partitions that were read to their end, and reports the lag of the others. The time is
        the database's, taken before the broker is asked."""
        if monotonic() < self._heartbeat_at:
            return
        self._heartbeat_at = monotonic() + _HEARTBEAT_SECONDS
        if not self._expected:
            self._metrics.lag({})
            return
        with self._transaction() as connection:
            now = database_now(connection)
        ends = self._reader.end_offsets(list(self._expected))
        idle = {Partition(*p): offset for p, offset in self._expected.items() if ends.get(p) == offset}
        with self._transaction() as connection:
            Offsets(connection, self._group).idle(idle, dict.fromkeys(idle, now))
        self._metrics.lag({partition: ends[partition] - offset for partition, offset in self._expected.items()})

    def _back_off(self, stop: Flag, reason: str, seconds: float) -> None:
        """Waits with every partition paused, and keeps the membership."""
        if self._not_ready != reason:
            log.warning("consumer.backing_off", group=self._group, reason=reason)
        self._not_ready = reason
        self._forget_positions(self._expected)
        until = monotonic() + seconds
        while monotonic() < until and not stop.is_set():
            try:
                self._reader.poll(min(0.2, seconds))
            except BrokerUnreachable:
                stop.wait(max(0.0, until - monotonic()))


def _partitions(records: Sequence[IncomingRecord]) -> dict[TopicPartition, IncomingRecord]:
    """Returns the partitions of a batch, each with its last record."""
    return {TopicPartition(record.topic, record.partition): record for record in records}


def _dead_letter(record: IncomingRecord, reason: str) -> DeadLetter:
    return DeadLetter(
        "dead_letter", "inbound", reason, record.at, record.value, record.topic, record.partition, record.offset
    )
