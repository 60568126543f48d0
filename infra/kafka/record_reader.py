"""Reads single records at given offsets, to compare a log with what was read of it earlier. Uses no consumer group."""

from collections.abc import Mapping
from time import monotonic
from types import TracebackType
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from infra.kafka.client import open_client
from infra.kafka.consumer import BrokerUnreachable, IncomingRecord, to_record
from infra.kafka.header_names import accept_invalid_header_names

_SECONDS = 5.0


class RecordReader:
    """A client for single records, closed at the end of its block. Not thread-safe."""

    def __init__(self, connection: Mapping[str, Any]) -> None:
        """Connects. Blocks for a few seconds at most. Raises BrokerUnreachable."""
        try:
            self._consumer: Any = open_client(
                KafkaConsumer,
                **connection,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                max_poll_records=1,
                bootstrap_timeout_ms=int(_SECONDS * 1000),
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        except KafkaError as error:
            raise BrokerUnreachable(type(error).__name__) from error
        accept_invalid_header_names(self._consumer)

    def at(self, topic: str, partition: int, offset: int) -> IncomingRecord | None:
        """Returns the record at an offset; None: the log holds none there. Blocks for a few seconds at most. Raises
        BrokerUnreachable."""
        place = TopicPartition(topic, partition)
        until = monotonic() + _SECONDS
        try:
            self._consumer.assign([place])
            self._consumer.seek(place, offset)
            while monotonic() < until:
                for record in self._consumer.poll(timeout_ms=200).get(place, []):
                    return to_record(record) if record.offset == offset else None
        except OffsetOutOfRangeError:
            return None
        except KafkaError as error:
            raise BrokerUnreachable(type(error).__name__) from error
        raise BrokerUnreachable("no record in time")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close(autocommit=False, timeout_ms=1000)
