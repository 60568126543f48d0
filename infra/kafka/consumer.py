"""Reads topics as a member of a consumer group. The group only shares out the partitions: where reading stands is kept
by the caller (architecture.md, P3), so a partition that is new here is silent until the caller says where to begin.

kafka-python: `auto_offset_reset="none"` (with `earliest` a topic that was made again silently skipped records), no
auto-commit, and rebalance listeners run on the I/O thread, where `seek()` and `pause()` work and nothing may block.
"""

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from kafka.structs import MemberState, OffsetAndMetadata

from infra.kafka.client import open_client
from infra.kafka.header_names import accept_invalid_header_names

_REQUEST_SECONDS = 5.0


class BrokerUnreachable(Exception):
    """No answer from the broker; try again later."""


class IncomingRecord(NamedTuple):
    """A record as it was read. `at`: when the broker took it (aware UTC)."""

    topic: str
    partition: int
    offset: int
    at: datetime
    value: bytes
    raw_headers: Sequence[tuple[str, bytes]]

    @property
    def headers(self) -> Mapping[str, str]:
        """As text, the last of each name."""
        return {name: value.decode("utf-8", "replace") for name, value in self.raw_headers}


class OffsetRange(NamedTuple):
    """The first offset that is still there and the one that the next record will get."""

    begin: int
    end: int


class GroupReader:
    """One member of a group. Not thread-safe; nothing is opened before the first call.

    `instance` names this member across restarts: a process that comes back gets its partitions without a rebalance.
    `max_records`: of one poll. `refresh_seconds`: after so long it notices new partitions."""

    def __init__(
        self,
        connection: Mapping[str, Any],
        group: str,
        topics: Collection[str],
        instance: str | None = None,
        max_records: int = 500,
        session_timeout_seconds: float = 10,
        refresh_seconds: float = 30,
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
            "fetch_max_wait_ms": 200,
            "session_timeout_ms": int(session_timeout_seconds * 1000),
            "heartbeat_interval_ms": int(session_timeout_seconds * 1000 / 4),
            "metadata_max_age_ms": int(refresh_seconds * 1000),
            "reconnect_backoff_max_ms": 500,
            "request_timeout_ms": int(max(session_timeout_seconds + 2, 12) * 1000),
            "bootstrap_timeout_ms": int(_REQUEST_SECONDS * 1000),
            "allow_auto_create_topics": False,
            "metrics_enabled": False,
        }
        self.max_records = max_records
        self._topics = list(topics)
        self._consumer: Any = None
        self._asks_again = instance is not None
        self._lock = Lock()
        self._silent: set[TopicPartition] = set()
        self._topic_ids: dict[str, str] = {}

    def poll(self, timeout_seconds: float) -> list[IncomingRecord]:
        """The next records, those of a partition in order; [] if none came in time. Also keeps the membership. Raises
        BrokerAway."""
        consumer = self._open()
        try:
            found = consumer.poll(timeout_ms=int(timeout_seconds * 1000))
        except (NoOffsetForPartitionError, OffsetOutOfRangeError):
            self.silence(consumer.assignment())
            return []
        except KafkaError as error:
            raise BrokerUnreachable(type(error).__name__) from error
        self._take_up_join()
        self._ask_again()
        self._notice_new_topics()
        return [to_record(record) for records in found.values() for record in records]

    def silent(self) -> list[TopicPartition]:
        """Partitions that are assigned here and wait for `begin_at`."""
        with self._lock:
            self._silent &= self.assigned()
            return sorted(self._silent)

    def is_member(self) -> bool:
        """Whether it belongs to the group, also if there is nothing for it to read."""
        return self._consumer is not None and self._consumer._coordinator.state == MemberState.STABLE

    def assigned(self) -> set[TopicPartition]:
        return set(self._consumer.assignment()) if self._consumer else set()

    def silence(self, partitions: Iterable[TopicPartition]) -> None:
        """Stops reading these until `begin_at`."""
        for partition in self.assigned().intersection(partitions):
            with self._lock, contextlib.suppress(KeyError):  # taken away in the meantime
                self._consumer.pause(partition)
                self._silent.add(partition)

    def begin_at(self, partition: TopicPartition, offset: int) -> None:
        """Reads this partition from there. Nothing happens if it was taken away in the meantime."""
        with self._lock, contextlib.suppress(ValueError, KeyError):
            self._consumer.seek(partition, offset)
            self._consumer.resume(partition)
            self._silent.discard(partition)

    def bounds(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, OffsetRange]:
        """What the broker has. Raises BrokerAway."""
        timeout = int(_REQUEST_SECONDS * 1000)
        consumer = self._open()
        try:
            begin = consumer.beginning_offsets(list(partitions), timeout_ms=timeout)
            end = consumer.end_offsets(list(partitions), timeout_ms=timeout)
        except KafkaError as error:
            raise BrokerUnreachable(type(error).__name__) from error
        return {partition: OffsetRange(begin[partition], end[partition]) for partition in partitions}

    def ends(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset that the next record of each will get, asked now. Raises BrokerAway."""
        try:
            found: dict[TopicPartition, int] = self._open().end_offsets(
                list(partitions), timeout_ms=int(_REQUEST_SECONDS * 1000)
            )
        except KafkaError as error:
            raise BrokerUnreachable(type(error).__name__) from error
        return found

    def topic_id(self, topic: str) -> str:
        """Tells the topic from one that is made later under the same name."""
        # the only place where kafka-python 3.0 keeps the id of a topic that a consumer reads
        return str(self._open()._cluster.topic_id(topic))

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Tells Kafka where the group stands, for lag tools only: nothing here ever reads it, and it may fail."""
        told = {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
        with contextlib.suppress(KafkaError, AssertionError):
            self._consumer.commit_async(told)

    def close(self) -> None:
        """Leaves; a static member stays in the group until its session ends, so a quick restart moves nothing."""
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
            consumer.subscribe(self._topics, listener=_Silencer(self))
        return self._consumer

    def _take_up_join(self) -> None:
        """kafka-python 3.0.12 forgets a join that outlasted the poll which began it, if it began because partitions or
        topics were added and this member leads the group: no assignment, no heartbeat, no error, for ever. Asking
        again lets the next poll take it up."""
        coordinator = self._consumer._coordinator
        if coordinator.rejoining and not coordinator.rejoin_needed:
            coordinator.request_rejoin()

    def _ask_again(self) -> None:
        """Who comes back under the name of before is given the partitions of before: the broker does not look whether
        the topics have more by now, or were not there at all. So whoever has a name asks once more, and if that is the
        group's leader, all of the partitions are shared out again."""
        if self._asks_again and self.is_member():
            self._consumer._coordinator.request_rejoin()
            self._asks_again = False

    def _notice_new_topics(self) -> None:
        """A topic that was made again under its name may already hold more records than the old one did."""
        for topic in self._topics:
            current = self.topic_id(topic)
            if self._topic_ids.setdefault(topic, current) != current:
                self._topic_ids[topic] = current
                self.silence(p for p in self.assigned() if p.topic == topic)

    def _on_assigned(self, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            self._consumer.seek(partition, 0)  # any position at all: without one, a poll raises
        self._consumer.pause(*partitions)
        with self._lock:
            self._silent |= set(partitions)

    def _on_revoked(self, partitions: Collection[TopicPartition]) -> None:
        with self._lock:
            self._silent -= set(partitions)


class _Silencer(ConsumerRebalanceListener):
    """Runs on kafka-python's I/O thread."""

    def __init__(self, reader: GroupReader) -> None:
        self._reader = reader

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._reader._on_revoked(revoked)

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._reader._on_assigned(assigned)


_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 4_102_444_800_000
"""2100: neither a sum of times nor PostgreSQL fails of it."""


def to_record(record: Any) -> IncomingRecord:
    """A record of kafka-python as ours. Its time may be any 64 bits where a topic once took the writer's: what cannot
    be one is the nearest that can, as a record that raises here would be met again at every start."""
    headers = tuple((name, value or b"") for name, value in record.headers or ())
    at = _EARLIEST + timedelta(milliseconds=min(max(record.timestamp or 0, 0), _LATEST_MS))
    return IncomingRecord(record.topic, record.partition, record.offset, at, record.value or b"", headers)
