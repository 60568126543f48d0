"""Reads the records that are published to a topic from now on, e.g. to wait for one result. Uses no consumer group and
leaves no state at the broker."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from infra.kafka.consumer import BrokerUnreachable, IncomingRecord, to_record

_REQUEST_MS = 5000


class TopicTail:
    """A reader positioned at the end of every partition: it returns all records that are published after it was
    created. Not thread-safe."""

    def __init__(self, connection: Mapping[str, Any], topic: str) -> None:
        """Connects. Blocks for a few seconds at most. Raises BrokerUnreachable, also if the topic does not exist."""
        try:
            self._consumer: Any = KafkaConsumer(  # type: ignore[no-untyped-call]
                **connection,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="latest",
                bootstrap_timeout_ms=_REQUEST_MS,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        except KafkaError as error:
            raise BrokerUnreachable(type(error).__name__) from error
        try:
            self._seek_to_end(topic)
        except BaseException:
            self.close()
            raise

    def poll(self, timeout_seconds: float) -> list[IncomingRecord]:
        """Returns the records since the last call; [] if none arrives in time. Raises BrokerUnreachable."""
        try:
            polled = self._consumer.poll(timeout_ms=int(timeout_seconds * 1000))
        except KafkaError as error:
            raise BrokerUnreachable(type(error).__name__) from error
        return [to_record(record) for records in polled.values() for record in records]

    def close(self) -> None:
        """Disconnects."""
        self._consumer.close(autocommit=False, timeout_ms=1000)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _seek_to_end(self, topic: str) -> None:
        try:
            numbers = self._consumer.partitions_for_topic(topic)
            if not numbers:
                raise BrokerUnreachable(f"the topic {topic} does not exist")
            partitions = [TopicPartition(topic, each) for each in sorted(numbers)]
            ends = self._consumer.end_offsets(partitions, timeout_ms=_REQUEST_MS)
        except KafkaError as error:
            raise BrokerUnreachable(type(error).__name__) from error
        self._consumer.assign(partitions)
        for partition, end in ends.items():
            self._consumer.seek(partition, end)
