"""Reads topics as a member of a consumer group. The group only assigns partitions. The caller stores the offsets
(architecture.md, P3), so a newly assigned partition is paused until the caller says from which offset to read.

kafka-python settings: no auto-commit, and `auto_offset_reset="none"`, because with `earliest` a recreated topic
silently skipped records. Rebalance listeners run on the I/O thread: `seek()` and `pause()` work there, but nothing may
block.
"""

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import (
    FencedInstanceIdError,
    KafkaError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from kafka.structs import MemberState, OffsetAndMetadata

from domain.topics import TRACEPARENT_HEADER
from infra.kafka.client import open_client
from infra.kafka.faults import kafka_fault
from infra.kafka.header_names import accept_invalid_header_names

_REQUEST_SECONDS = 5.0
_PATIENCE_SECONDS = 60.0
"""A client whose every call has failed for so long is replaced, whatever the error."""

log = structlog.get_logger("consumer")


class BrokerUnreachable(Exception):
    """The broker did not answer. The call may be repeated later."""


class IncomingRecord(NamedTuple):
    """A record as read from Kafka. `at`: when the broker accepted it (aware UTC). `again`: it was processed before the
    database was restored to an earlier moment."""

    topic: str
    partition: int
    offset: int
    at: datetime
    value: bytes
    raw_headers: Sequence[tuple[str, bytes]]
    again: bool = False

    @property
    def digest(self) -> bytes:
        """A hash of the value, by which the record is recognised later."""
        return blake2b(self.value, digest_size=16).digest()

    @property
    def traceparent(self) -> str | None:
        """The step of a trace that published the record; None: it belongs to none."""
        for name, value in self.raw_headers:
            if name == TRACEPARENT_HEADER:
                return value.decode("ascii", "replace")
        return None

    def traced(self, traceparent: str) -> "IncomingRecord":
        """Returns the record as one that this step has read."""
        others = [each for each in self.raw_headers if each[0] != TRACEPARENT_HEADER]
        return self._replace(raw_headers=[*others, (TRACEPARENT_HEADER, traceparent.encode())])

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers as text. If a name occurs more than once, its last value."""
        return {name: value.decode("utf-8", "replace") for name, value in self.raw_headers}


class OffsetRange(NamedTuple):
    """The records that a partition still holds: `begin` is the oldest offset, `end` the offset of the next record."""

    begin: int
    end: int


class GroupReader:
    """One member of a consumer group. Not thread-safe. Connects on the first call. A client that was fenced, evicted or
    refused never recovers by itself: the next call makes a new one.

    `instance`: the static member id; a restarted process with the same id gets its partitions without a rebalance.
    `max_records`: per poll. `refresh_seconds`: how long it may go unnoticed that there are new partitions, or that a
    broker still answers which does not lead any more."""

    def __init__(
        self,
        connection: Mapping[str, Any],
        group: str,
        topics: Collection[str],
        instance: str | None = None,
        max_records: int = 500,
        session_timeout_seconds: float = 10,
        refresh_seconds: float = 5,
    ) -> None:
        self._settings: dict[str, Any] = {
            **connection,
            "group_id": group,
            "group_instance_id": instance,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "max_poll_records": max_records,
            "fetch_max_bytes": 8 * 1024 * 1024,
            "max_partition_fetch_bytes": 4 * 1024 * 1024,
            "fetch_max_wait_ms": 500,
            "session_timeout_ms": int(session_timeout_seconds * 1000),
            "heartbeat_interval_ms": int(session_timeout_seconds * 1000 / 4),
            "metadata_max_age_ms": int(refresh_seconds * 1000),
            "reconnect_backoff_max_ms": 500,
            "request_timeout_ms": int(max(session_timeout_seconds + 2, 12) * 1000),
            "bootstrap_timeout_ms": int(_REQUEST_SECONDS * 1000),
            "allow_auto_create_topics": False,
            "metrics_enabled": False,
        }
        self.connection = connection
        self.max_records = max_records
        self._topics = list(topics)
        self._consumer: Any = None
        self._rejoin_once = instance is not None
        self._lock = Lock()
        self._paused: set[TopicPartition] = set()
        self._topic_ids: dict[str, str] = {}
        self._failing_since: float | None = None

    def poll(self, timeout_seconds: float) -> list[IncomingRecord]:
        """Returns the next records, in order within a partition; [] if none arrived in time. Also keeps this member in
        the group. Raises BrokerUnreachable."""
        consumer = self._open()
        try:
            polled = consumer.poll(timeout_ms=int(timeout_seconds * 1000))
        except (NoOffsetForPartitionError, OffsetOutOfRangeError, LogTruncationError):
            self.pause(consumer.assignment())
            return []
        except KafkaError as error:
            raise self._failed(error) from error
        self._failing_since = None
        self._resume_lost_join()
        self._rejoin_if_static()
        self._pause_recreated_topics()
        return [to_record(record) for records in polled.values() for record in records]

    def paused(self) -> list[TopicPartition]:
        """Returns the assigned partitions that are not read until `resume_from` is called."""
        with self._lock:
            self._paused &= self.assigned()
            return sorted(self._paused)

    def is_member(self) -> bool:
        """Whether this consumer belongs to the group, with or without partitions to read."""
        return self._consumer is not None and self._consumer._coordinator.state == MemberState.STABLE

    def assigned(self) -> set[TopicPartition]:
        """Returns the partitions that the group assigned to this member."""
        return set(self._consumer.assignment()) if self._consumer else set()

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Stops reading these partitions until `resume_from` is called."""
        for partition in self.assigned().intersection(partitions):
            with self._lock, contextlib.suppress(KeyError):  # revoked in the meantime
                self._consumer.pause(partition)
                self._paused.add(partition)

    def resume_from(self, partition: TopicPartition, offset: int) -> None:
        """Reads this partition from `offset` on. Has no effect if the partition was revoked in the meantime."""
        with self._lock, contextlib.suppress(ValueError, KeyError):
            self._consumer.seek(partition, offset)
            self._consumer.resume(partition)
            self._paused.discard(partition)

    def offset_ranges(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, OffsetRange]:
        """Asks the broker which offsets each partition holds. Raises BrokerUnreachable."""
        timeout = int(_REQUEST_SECONDS * 1000)
        consumer = self._open()
        try:
            begin = consumer.beginning_offsets(list(partitions), timeout_ms=timeout)
            end = consumer.end_offsets(list(partitions), timeout_ms=timeout)
        except KafkaError as error:
            raise self._failed(error) from error
        return {partition: OffsetRange(begin[partition], end[partition]) for partition in partitions}

    def end_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Asks the broker for the offset of each partition's next record. Raises BrokerUnreachable."""
        try:
            offsets: dict[TopicPartition, int] = self._open().end_offsets(
                list(partitions), timeout_ms=int(_REQUEST_SECONDS * 1000)
            )
        except KafkaError as error:
            raise self._failed(error) from error
        return offsets

    def committed(self, partition: TopicPartition) -> int:
        """Asks the broker for the offset that the group has committed to Kafka; 0: none. Raises BrokerUnreachable."""
        try:
            return self._open().committed(partition, timeout_ms=int(_REQUEST_SECONDS * 1000)) or 0
        except KafkaError as error:
            raise self._failed(error) from error

    def commit_now(self, partition: TopicPartition, offset: int) -> None:
        """Commits the group's offset of a partition to Kafka and waits for the answer. Raises BrokerUnreachable."""
        try:
            self._open().commit({partition: OffsetAndMetadata(offset, "", -1)}, timeout_ms=int(_REQUEST_SECONDS * 1000))
        except KafkaError as error:
            raise self._failed(error) from error

    def topic_id(self, topic: str) -> str:
        """Returns Kafka's id of the topic. It changes when the topic is deleted and recreated under the same name."""
        # kafka-python 3.0 has the id of a topic that a consumer reads only here
        return str(self._open()._cluster.topic_id(topic))

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commits the group's offsets to Kafka, for lag tools and to recognise a restored database. Failures are
        ignored, unless they say that this client is of no use any more."""
        commits = {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
        if not commits or self._consumer is None:
            return
        try:
            self._consumer.commit_async(commits)
        except AssertionError:
            pass
        except KafkaError as error:
            self._failed(error)

    def close(self) -> None:
        """Disconnects. A static member stays in the group until its session expires, so that a quick restart moves no
        partition."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=2000)
            self._consumer = None

    def _open(self) -> Any:
        if self._consumer is None:
            try:
                consumer = open_client(KafkaConsumer, **self._settings)
            except KafkaError as error:
                raise BrokerUnreachable(type(error).__name__) from error
            accept_invalid_header_names(consumer)
            self._consumer = consumer
            consumer.subscribe(self._topics, listener=_RebalanceListener(self))
        return self._consumer

    def _failed(self, error: KafkaError) -> BrokerUnreachable:
        """Returns what to raise for an error of a call. Discards the client unless the same client may succeed
        later."""
        now = monotonic()
        self._failing_since = self._failing_since or now
        if kafka_fault(error) != "transient" or now - self._failing_since > _PATIENCE_SECONDS:
            self._discard(error)
        return BrokerUnreachable(type(error).__name__)

    def _discard(self, error: KafkaError) -> None:
        log.warning("kafka.consumer_replaced", reason=type(error).__name__)
        if isinstance(error, FencedInstanceIdError):
            # Another process has our name, for example our successor in a rolling update. With the name, the new client
            # would fence that one, and both would go on doing so; without it, they share the partitions.
            self._settings["group_instance_id"], self._rejoin_once = None, False
        self._failing_since = None
        with self._lock:
            self._paused.clear()
        with contextlib.suppress(KafkaError):
            self.close()
        self._consumer = None

    def _resume_lost_join(self) -> None:
        # kafka-python 3.0.12 forgets a join that outlasts the poll which started it, if the join was started because
        # partitions or topics were added and this member leads the group. The member then has no assignment, no
        # heartbeat and no error, for ever. After this request the next poll completes the join.
        coordinator = self._consumer._coordinator
        if coordinator.rejoining and not coordinator.rejoin_needed:
            coordinator.request_rejoin()

    def _rejoin_if_static(self) -> None:
        # The broker gives a returning static member its earlier partitions, without checking whether the topics have
        # more partitions by now or did not exist before. So a static member joins a second time; if it leads the group,
        # all partitions are assigned again.
        if self._rejoin_once and self.is_member():
            self._consumer._coordinator.request_rejoin()
            self._rejoin_once = False

    def _pause_recreated_topics(self) -> None:
        # A topic recreated under its name may already hold more records than the old one did: offsets prove nothing.
        for topic in self._topics:
            current = self.topic_id(topic)
            if self._topic_ids.setdefault(topic, current) != current:
                self._topic_ids[topic] = current
                self.pause(p for p in self.assigned() if p.topic == topic)

    def _on_assigned(self, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            self._consumer.seek(partition, 0)  # any offset: without a position, poll() raises
        self._consumer.pause(*partitions)
        with self._lock:
            self._paused |= set(partitions)

    def _on_revoked(self, partitions: Collection[TopicPartition]) -> None:
        with self._lock:
            self._paused -= set(partitions)


class _RebalanceListener(ConsumerRebalanceListener):
    """Forwards rebalances to the reader. Runs on kafka-python's I/O thread."""

    def __init__(self, reader: GroupReader) -> None:
        self._reader = reader

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._reader._on_revoked(revoked)

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._reader._on_assigned(assigned)


_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 4_102_444_800_000
"""The year 2100: neither date arithmetic nor PostgreSQL overflows with it."""


def to_record(record: Any) -> IncomingRecord:
    """Converts a kafka-python record. Never raises for its timestamp."""
    # Where a topic once accepted the writer's timestamp, it may be any 64-bit number. It is clamped to a valid time: a
    # record that raises here would stop the consumer at every start.
    headers = tuple((name, value or b"") for name, value in record.headers or ())
    at = _EARLIEST + timedelta(milliseconds=min(max(record.timestamp or 0, 0), _LATEST_MS))
    return IncomingRecord(record.topic, record.partition, record.offset, at, record.value or b"", headers)
