"""The batch protocol of every consumer (architecture.md, P2 to P5): one poll, one transaction.

Where the group stands is kept in Postgres next to the state, and moves in the same transaction. So whatever dies, and
whatever Kafka believes, each record has its effect exactly once. A record that cannot be worked in is put aside with
its bytes; a server that is away is waited for, with the group's membership kept.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from threading import Event as Flag
from time import monotonic, sleep
from typing import Any, Protocol

import psycopg
import structlog
from kafka import TopicPartition
from psycopg import Connection

from consumers.batches.metrics import ConsumerMetrics
from consumers.batches.poison import WHOLE_POLL, Poison, PoisonLimit, PoisonStorm
from infra.kafka.consumer import BrokerUnreachable, GroupReader, IncomingRecord, OffsetRange
from infra.postgres.connections.faults import fault
from infra.postgres.messaging.dead_letters import DeadLetter, store_dead_letters
from infra.postgres.messaging.offsets import FencedOut, Offsets, Partition, Position
from infra.process.backoff import Backoff
from infra.process.crash_points import crash_point
from infra.process.memory import collect_rarely

_POLL_SECONDS = 0.5
_PACE_SECONDS = 0.1
"""A batch costs some milliseconds however small it is, so one that follows another soon waits a little for more to
come. A full one does not wait, nor does one that comes after a pause."""
_PULSE_SECONDS = 1.0
"""How often the group says that it is caught up where nothing comes: the timer waits for that (P6a)."""

log = structlog.get_logger("consumer")


class RetryBatch(Exception):
    """Somebody else changed what this batch had read before it got the locks, or has a lock that it must not wait for:
    the same again, some milliseconds later."""


class Handler(Protocol):
    """What a consumer does with its records, inside the batch's transaction."""

    def apply(self, connection: Connection[Any], records: Sequence[IncomingRecord]) -> None:
        """Works the records in, in order. Raises Poison, Again, psycopg errors; nothing else is expected."""
        ...


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading begins; `lost` records were deleted by the broker before we read them. `moved`: not where the group
    stood."""

    offset: int
    lost: int = 0
    moved: bool = True


def start_of(standing: Position | None, topic_id: str, bounds: OffsetRange) -> Start:
    """A partition never read, a topic made again, or a log cut back begins at its beginning (unique keys absorb what
    was read before); a log that lost its oldest records begins at what is left."""
    if standing is None or standing.topic_id != topic_id or standing.next_offset > bounds.end:
        return Start(bounds.begin)
    if standing.next_offset < bounds.begin:
        return Start(bounds.begin, lost=bounds.begin - standing.next_offset)
    return Start(standing.next_offset, moved=False)


class BatchLoop:
    """Runs one handler over one group until stopped.

    `transaction`: opens a transaction on this loop's connection, reconnecting when needed; raises psycopg errors.
    After a poison storm the loop rests, not ready, and tries again later. `pause`: waits for some milliseconds."""

    def __init__(
        self,
        reader: GroupReader,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        group: str,
        handler: Handler,
        metrics: ConsumerMetrics,
        poison_limit: PoisonLimit,
        storm_rest_seconds: float = 60,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self._reader = reader
        self._transaction = transaction
        self._group = group
        self._handler = handler
        self._metrics = metrics
        self._poison_limit = poison_limit
        self._storm_rest_seconds = storm_rest_seconds
        self._pause = pause
        self._expected: dict[TopicPartition, int] = {}
        self._pulse_at = 0.0
        self._next_at = 0.0
        self._backoff = Backoff()
        self._trouble: str | None = "has not reached its servers yet"
        self._lost = 0

    def not_ready_reason(self) -> str | None:
        """What keeps it from working, for /readyz; None: nothing."""
        if self._lost:
            return f"{self._lost} records were deleted by the broker before they were read; see witiop doctor"
        return self._trouble

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises what is our own defect."""
        collect_rarely()
        try:
            while not stop.is_set():
                try:
                    stop.wait(max(0.0, self._next_at - monotonic()))
                    self._round()
                except BrokerUnreachable as away:
                    self._rest(stop, f"broker away ({away})", self._backoff.next())
                except PoisonStorm as storm:
                    log.critical("consumer.poison_storm", group=self._group, reason=str(storm))
                    self._rest(stop, str(storm), self._storm_rest_seconds)
                except psycopg.Error as error:
                    if fault(error) != "transient":
                        raise
                    self._rest(stop, f"database away ({type(error).__name__})", self._backoff.next())
        finally:
            self._reader.close()

    def _round(self) -> None:
        records = self._reader.poll(_POLL_SECONDS)
        if records:
            crash_point("consumer.after-poll")
        begun = self._begin()
        batch = self._expected_of(record for record in records if (record.topic, record.partition) not in begun)
        if batch:
            self._next_at = 0.0 if len(records) >= self._reader.max_records else monotonic() + _PACE_SECONDS
            self._work(batch)
        self._pulse()
        self._backoff.reset()
        self._trouble = None

    # where to read

    def _begin(self) -> set[TopicPartition]:
        """Gives every partition that is new here its place, as Postgres has it, and returns those. What was polled of
        them before is void: it may stand behind that place, or on a topic that is gone."""
        paused = self._reader.paused()
        for partition in set(self._expected) - self._reader.assigned():
            del self._expected[partition]
        if not paused:
            return set()
        bounds = self._reader.offset_ranges(paused)
        for partition in paused:
            here = Partition(*partition)
            topic_id = self._reader.topic_id(partition.topic)
            with self._transaction() as connection:
                offsets = Offsets(connection, self._group)
                start = start_of(offsets.read([here]).get(here), topic_id, bounds[partition])
                if start.moved:
                    offsets.start(here, Position(topic_id, start.offset), start.lost)
            if start.lost:
                self._lost += start.lost
                self._metrics.lost(start.lost)
                log.critical("consumer.records_lost", topic=here.topic, partition=here.partition, lost=start.lost)
            self._expected[partition] = start.offset
            self._reader.resume_from(partition, start.offset)
        return set(paused)

    def _expected_of(self, records: Iterable[IncomingRecord]) -> list[IncomingRecord]:
        """The records that are next in their partitions; what was worked in before, or is not ours now, falls out."""
        batch = []
        for record in records:
            expected = self._expected.get(TopicPartition(record.topic, record.partition))
            if expected is not None and record.offset >= expected:
                batch.append(record)
        return batch

    def _forget(self, partitions: Sequence[TopicPartition]) -> None:
        """Asks Postgres again where the group stands."""
        for partition in partitions:
            self._expected.pop(partition, None)
        self._reader.pause(partitions)

    # the work

    def _work(self, batch: Sequence[IncomingRecord]) -> None:
        """Every record worked in or put aside, in as few transactions as the poison in it allows."""
        poison: dict[int, str] = {}
        begin, size = 0, len(batch)
        contended = Backoff(0.005, 0.1)
        while begin < len(batch):
            end = min(begin + size, len(batch))
            suspects = [place for place in range(begin, end) if place not in poison]
            try:
                self._transact(
                    batch[begin:end], {place - begin: why for place, why in poison.items() if place >= begin}
                )
            except RetryBatch:
                self._pause(contended.next())
            except FencedOut as stolen:
                log.info("consumer.partition_stolen", group=self._group, what=str(stolen))
                return self._forget(list(_partitions(batch)))
            except Poison as found:
                poison[batch.index(found.record, begin)] = found.reason
                self._guard(batch, poison, begin)
            except psycopg.Error as error:
                if fault(error) != "poison":
                    self._forget(list(_partitions(batch)))
                    raise
                if len(suspects) == 1:
                    poison[suspects[0]] = f"SQLSTATE {error.sqlstate}"
                    self._guard(batch, poison, begin)
                    size = len(batch)
                else:
                    # as prefixes in poll order: what comes before is worked in first
                    size = suspects[len(suspects) // 2 - 1] + 1 - begin
            else:
                begin, size = end, len(batch)
        return None

    def _transact(self, records: Sequence[IncomingRecord], poison: dict[int, str]) -> None:
        began = monotonic()
        good = [record for place, record in enumerate(records) if place not in poison]
        aside = [_aside(records[place], why) for place, why in poison.items() if place < len(records)]
        partitions = _partitions(records)
        from_offsets = {Partition(*partition): self._expected[partition] for partition in partitions}
        to_offsets = {Partition(*partition): last.offset + 1 for partition, last in partitions.items()}
        with self._transaction() as connection:
            offsets = Offsets(connection, self._group)
            offsets.lock(from_offsets)
            if good:
                self._handler.apply(connection, good)
            crash_point("consumer.after-insert")
            store_dead_letters(connection, aside)
            if aside:
                crash_point("consumer.after-set-aside")
            offsets.advance(to_offsets, {Partition(*p): last.at for p, last in partitions.items()})
            crash_point("consumer.before-commit")
        crash_point("consumer.after-commit-before-kafka-commit")
        for partition, last in partitions.items():
            self._expected[partition] = last.offset + 1
        self._reader.commit({partition: last.offset + 1 for partition, last in partitions.items()})
        for record in aside:
            log.error("consumer.set_aside", topic=record.topic, partition=record.partition, offset=record.offset)
        self._poison_limit.found(len(aside))
        self._metrics.batch(len(records), monotonic() - began, len(aside))

    def _guard(self, batch: Sequence[IncomingRecord], poison: dict[int, str], begin: int) -> None:
        """Raises PoisonStorm. What stands before `begin` was put aside already, and counted."""
        if len(poison) == len(batch) >= WHOLE_POLL:
            self._forget(list(_partitions(batch)))
            raise PoisonStorm("a whole poll of records could not be worked in; nothing of it was put aside")
        waiting = sum(place >= begin for place in poison)
        if self._poison_limit.exceeded(waiting):
            self._forget(list(_partitions(batch)))
            raise PoisonStorm(f"more than {self._poison_limit.per_minute} records a minute could not be worked in")

    # while nothing comes, and while servers are away

    def _pulse(self) -> None:
        """Says of the partitions that were read to their end that they are caught up, and how far behind the others
        are. The moment is the database's, taken before the broker is asked."""
        if monotonic() < self._pulse_at:
            return
        self._pulse_at = monotonic() + _PULSE_SECONDS
        if not self._expected:
            self._metrics.lag({})
            return
        with self._transaction() as connection:
            row = connection.execute("select clock_timestamp()").fetchone()
        assert row is not None
        moment: datetime = row[0]
        ends = self._reader.end_offsets(list(self._expected))
        idle = {Partition(*p): offset for p, offset in self._expected.items() if ends.get(p) == offset}
        with self._transaction() as connection:
            Offsets(connection, self._group).idle(idle, dict.fromkeys(idle, moment))
        self._metrics.lag({partition: ends[partition] - offset for partition, offset in self._expected.items()})

    def _rest(self, stop: Flag, trouble: str, seconds: float) -> None:
        """Waits with every partition silent but the membership kept."""
        if self._trouble != trouble:
            log.warning("consumer.resting", group=self._group, reason=trouble)
        self._trouble = trouble
        self._forget(list(self._expected))
        until = monotonic() + seconds
        while monotonic() < until and not stop.is_set():
            try:
                self._reader.poll(min(0.2, seconds))
            except BrokerUnreachable:
                stop.wait(max(0.0, until - monotonic()))


def _partitions(records: Sequence[IncomingRecord]) -> dict[TopicPartition, IncomingRecord]:
    """The partitions of a batch, each with its last record."""
    return {TopicPartition(record.topic, record.partition): record for record in records}


def _aside(record: IncomingRecord, reason: str) -> DeadLetter:
    return DeadLetter(
        "dead_letter", "inbound", reason, record.at, record.value, record.topic, record.partition, record.offset
    )
