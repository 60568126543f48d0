"""The batch protocol of every consumer (architecture.md, P2 to P5): one poll, one transaction.

The group's position is stored in Postgres next to the state, and moves in the same transaction. So each record has its
effect exactly once, whatever process dies and whatever offsets Kafka holds. A record that cannot be processed becomes a
dead letter. A partition with so many of them that the defect must be ours is stopped and tried again later; the others
proceed. While a server cannot be reached, the loop backs off and keeps its membership in the group.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from threading import Event as Flag
from time import monotonic
from typing import Any, Protocol, cast

import psycopg
import structlog
from kafka import TopicPartition
from psycopg import Connection

from consumers.batches.leftover import Leftover, dead_letter
from consumers.batches.metrics import ConsumerMetrics
from consumers.batches.poison import PoisonPolicy, PoisonStorm
from consumers.batches.starting import PartitionStarter, mark_of, partition_of
from consumers.batches.traced import TracedBatch
from infra.kafka.consumer import BrokerUnreachable, GroupReader, IncomingRecord
from infra.postgres.connections.clock import database_now
from infra.postgres.connections.faults import may_pass
from infra.postgres.messaging.dead_letters import DeadLetter, store_dead_letters
from infra.postgres.messaging.early_records import store_early_records
from infra.postgres.messaging.offsets import FencedOut, Offsets, Partition
from infra.process.backoff import GIVE_UP_SECONDS, Backoff
from infra.process.crash_points import crash_point
from infra.process.memory import collect_rarely
from infra.process.readiness import every_reason
from infra.process.traces import Traces

_POLL_SECONDS = 0.5
_PACE_SECONDS, _BUSY_PACE_SECONDS = 0.1, 0.25
"""A batch costs some milliseconds however small it is, so a batch that follows another one soon waits this long for
more records: longer under load, where half the processor time of a small batch is that of its statements. A full batch
does not wait, nor does one after a pause."""
_BUSY_RECORDS = 20
"""A poll with as many records comes from a loaded topic."""
_HEARTBEAT_SECONDS = 1.0
"""Heartbeat interval for idle partitions: the timer waits for their watermark (P6a)."""

log = structlog.get_logger("consumer")


class Handler(Protocol):
    """Processes the records of a topic, inside the batch's transaction."""

    def apply(self, connection: Connection[Any], records: Sequence[IncomingRecord]) -> Leftover:
        """Processes the records, in order, and returns those that it did not process. Raises Poison, RetryBatch,
        psycopg errors; nothing else is expected."""
        ...


class BatchLoop:
    """Runs one handler for one consumer group until stopped.

    `transaction`: opens a transaction on this loop's connection and reconnects when needed; raises psycopg errors.
    `poison`: its origins are partitions. After a poison storm the partition is stopped for `storm_back_off_seconds`,
    then tried again; until it is processed, the loop is not ready. `traces`: None if they are off."""

    def __init__(
        self,
        reader: GroupReader,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        group: str,
        handler: Handler,
        metrics: ConsumerMetrics,
        poison: PoisonPolicy,
        storm_back_off_seconds: float = 60,
        traces: Traces | None = None,
    ) -> None:
        self._traces = traces
        self._reader = reader
        self._transaction = transaction
        self._group = group
        self._handler = handler
        self._metrics = metrics
        self._poison = poison
        self._storm_back_off_seconds = storm_back_off_seconds
        self._expected: dict[TopicPartition, int] = {}
        self._uncertain: set[TopicPartition] = set()
        self._read_again: dict[TopicPartition, int] = {}
        self._heartbeat_at = 0.0
        self._next_at = 0.0
        self._backoff = Backoff()
        self._not_ready: str | None = "has not reached its servers yet"
        self._starter = PartitionStarter(reader, transaction, group, metrics)
        self._stopped_until: dict[TopicPartition, float] = {}
        self._stopped_for: dict[TopicPartition, str] = {}

    def not_ready_reason(self) -> str | None:
        """Returns everything that keeps the loop from working, for /readyz; None: nothing."""
        stopped = (f"{p.topic}[{p.partition}] is stopped: {why}" for p, why in sorted(self._stopped_for.copy().items()))
        return every_reason(self._not_ready, self._starter.not_ready_reason(), *stopped)

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours, and what lasts for `GIVE_UP_SECONDS`."""
        collect_rarely()
        try:
            while not stop.is_set():
                try:
                    stop.wait(max(0.0, self._next_at - monotonic()))
                    self._poll()
                except BrokerUnreachable as error:
                    self._back_off(stop, f"broker unreachable ({error})", self._backoff.next())
                except psycopg.Error as error:
                    if not may_pass(error) or self._backoff.failing_seconds() > GIVE_UP_SECONDS:
                        raise
                    self._back_off(stop, f"database unreachable ({type(error).__name__})", self._backoff.next())
        finally:
            self._reader.close()

    def _poll(self) -> None:
        records = self._reader.poll(_POLL_SECONDS)
        if records:
            crash_point("consumer.after-poll")
        self._forget_positions(self._starter.unlike(records))
        started = self._start_partitions()
        batch = self._expected_of(
            record for record in self._starter.marked(records) if partition_of(record) not in started
        )
        if batch:
            self._next_at = self._next_after(len(records))
            self._process(batch)
        self._heartbeat()
        self._backoff.reset()
        self._not_ready = None

    def _next_after(self, records: int) -> float:
        """Returns when to poll again after so many records."""
        if records >= self._reader.max_records:
            return 0.0
        return monotonic() + (_BUSY_PACE_SECONDS if records >= _BUSY_RECORDS else _PACE_SECONDS)

    # where to read

    def _start_partitions(self) -> set[TopicPartition]:
        """Starts reading every partition that is new here at its position in Postgres, and returns those. Records that
        were already polled from them are void: they may lie behind that position, or on a topic that is gone."""
        assigned, now = self._reader.assigned(), monotonic()
        self._stopped_until = {p: until for p, until in self._stopped_until.items() if until > now}
        self._stopped_for = {p: why for p, why in self._stopped_for.items() if p in assigned}
        new = [partition for partition in self._reader.paused() if partition not in self._stopped_until]
        for partition in set(self._expected) - assigned:
            del self._expected[partition]
        if not new:
            return set()
        ranges = self._reader.offset_ranges(new)
        for partition in new:
            self._expected[partition] = self._starter.start(partition, ranges[partition])
        return set(new)

    def _expected_of(self, records: Iterable[IncomingRecord]) -> list[IncomingRecord]:
        """Drops records that were already processed, records of partitions that were taken away, and those behind a
        gap: what is in it is read again."""
        batch, skipped, checked = [], set[TopicPartition](), set[TopicPartition]()
        for record in records:
            partition = partition_of(record)
            expected = self._expected.get(partition)
            if expected is None or record.offset < expected:
                continue
            if partition not in checked:
                checked.add(partition)
                if self._is_gap(partition, expected, record.offset):
                    skipped.add(partition)
            if partition not in skipped:
                batch.append(record)
        return batch

    def _is_gap(self, partition: TopicPartition, expected: int, offset: int) -> bool:
        """Returns whether records before `offset` may have been skipped, and reads again from `expected` then. If they
        are not there the second time either, the log has none, e.g. where a transaction ended."""
        if offset == expected or self._read_again.pop(partition, None) == expected:
            return False
        log.info("consumer.gap", topic=partition.topic, partition=partition.partition, expected=expected, offset=offset)
        self._read_again[partition] = expected
        self._reader.resume_from(partition, expected)
        return True

    def _forget_positions(self, partitions: Iterable[TopicPartition]) -> None:
        """Makes the next poll read the positions of these partitions from Postgres again."""
        partitions = list(partitions)
        for partition in partitions:
            self._expected.pop(partition, None)
        self._reader.pause(partitions)

    # the work

    def _process(self, batch: Sequence[IncomingRecord]) -> None:
        """Processes every record, makes it a dead letter, or stops its partition."""
        while batch:
            try:
                self._poison.process(batch, self._transact)
                return
            except FencedOut as fenced:
                log.info("consumer.fenced_out", group=self._group, what=str(fenced))
                self._forget_positions(_partitions(batch))
                return
            except PoisonStorm as storm:
                self._stop_partition(storm)
                batch = self._expected_of(batch)
            except psycopg.Error:
                self._forget_positions(_partitions(batch))
                raise

    def _stop_partition(self, storm: PoisonStorm) -> None:
        """Leaves the partition alone that a storm comes from; the others proceed."""
        partition = cast(TopicPartition, storm.origin)
        log.critical(
            "consumer.poison_storm",
            group=self._group,
            topic=partition.topic,
            partition=partition.partition,
            reason=str(storm),
            exc_info=storm.__cause__,
        )
        self._stopped_for[partition] = str(storm)
        self._stopped_until[partition] = monotonic() + self._storm_back_off_seconds
        self._forget_positions([partition])

    def _transact(self, records: Sequence[IncomingRecord], excluded: Mapping[int, str]) -> None:
        began = monotonic()
        good = [record for index, record in enumerate(records) if index not in excluded]
        dead_letters = [dead_letter(records[index], reason) for index, reason in excluded.items()]
        partitions = _partitions(records)
        from_offsets = {Partition(*partition): self._expected[partition] for partition in partitions}
        early = 0
        with TracedBatch(self._traces, self._group, good) as traced, self._transaction() as connection:
            offsets = Offsets(connection, self._group)
            offsets.lock(from_offsets)
            if good:
                leftover = self._handler.apply(connection, traced.records)
                dead_letters += leftover.dead_letters
                store_early_records(connection, leftover.early)
                early = len(leftover.early)
            crash_point("consumer.after-insert")
            store_dead_letters(connection, dead_letters)
            if dead_letters:
                crash_point("consumer.after-dead-letters")
            traced.tell(connection)
            offsets.advance({Partition(*p): mark_of(last) for p, last in partitions.items()})
            crash_point("consumer.before-commit")
        crash_point("consumer.after-commit-before-kafka-commit")
        for partition, last in partitions.items():
            self._expected[partition] = last.offset + 1
            self._stopped_for.pop(partition, None)
        self._reader.commit({partition: self._expected[partition] for partition in partitions})
        self._uncertain.update(partitions)
        _log_dead_letters(dead_letters)
        self._metrics.batch(len(records), monotonic() - began, len(dead_letters), early)

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
            self._starter.refresh(connection)
        ends = self._reader.end_offsets(list(self._expected))
        known = {p: offset for p, offset in self._expected.items() if self._starter.is_recognised(p)}
        idle = {Partition(*p): offset for p, offset in known.items() if ends.get(p) == offset}
        with self._transaction() as connection:
            Offsets(connection, self._group).idle(idle, dict.fromkeys(idle, now))
        for partition, offset in self._expected.items():
            if ends.get(partition) == offset:
                self._stopped_for.pop(partition, None)
        # once more, because Kafka's answers to commits are not waited for: a restored database is recognised by them
        self._reader.commit({p: self._expected[p] for p in self._uncertain if p in self._expected})
        self._uncertain.clear()
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
    return {partition_of(record): record for record in records}


def _log_dead_letters(dead_letters: Sequence[DeadLetter]) -> None:
    """Logs one line per reason: one sender may be wrong many times at once."""
    for reason, count in Counter(letter.reason for letter in dead_letters).items():
        first = next(letter for letter in dead_letters if letter.reason == reason)
        place = {"topic": first.topic, "partition": first.partition, "offset": first.offset}
        log.error("consumer.dead_letter", reason=reason, count=count, **place)
