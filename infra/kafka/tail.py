"""Reads what comes onto a topic from now on, as somebody who waits for one answer does: without a group, leaving no
trace at the broker."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from infra.kafka.consumer import BrokerUnreachable, IncomingRecord, to_record

_ANSWER_MS = 5000


class TopicTail:
    """Stands at the end of every partition once it is made: whatever is published afterwards is seen. Not
    thread-safe."""

    def __init__(self, connection: Mapping[str, Any], topic: str) -> None:
        """Blocks for at most some seconds. Raises BrokerAway, also when there is no such topic."""
        try:
            self._consumer: Any = KafkaConsumer(  # type: ignore[no-untyped-call]
                **connection,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="latest",
                bootstrap_timeout_ms=_ANSWER_MS,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        except KafkaError as error:
            raise BrokerUnreachable(type(error).__name__) from error
        try:
            self._begin(topic)
        except BaseException:
            self.close()
            raise

    def poll(self, timeout_seconds: float) -> list[IncomingRecord]:
        """What came since the last call; [] if nothing comes in time. Raises BrokerAway."""
        try:
            found = self._consumer.poll(timeout_ms=int(timeout_seconds * 1000))
        except KafkaError as error:
            raise BrokerUnreachable(type(error).__name__) from error
        return [to_record(record) for records in found.values() for record in records]

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close(autocommit=False, timeout_ms=1000)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, topic: str) -> None:
        try:
            known = self._consumer.partitions_for_topic(topic)
            if not known:
                raise BrokerUnreachable(f"there is no topic {topic}")
            partitions = [TopicPartition(topic, each) for each in sorted(known)]
            ends = self._consumer.end_offsets(partitions, timeout_ms=_ANSWER_MS)
        except KafkaError as error:
            raise BrokerUnreachable(type(error).__name__) from error
        self._consumer.assign(partitions)
        for partition, end in ends.items():
            self._consumer.seek(partition, end)
