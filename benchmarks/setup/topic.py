"""An inbound topic for one measurement. The timestamps of its records are chosen by the caller, so that a world that
was created long ago can still be used."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self
from uuid import uuid4

from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from domain.topics import Topics
from infra.kafka.config import KafkaConfig


class SendRecord(Protocol):
    """Sends one record."""

    def __call__(self, value: bytes, at: datetime, partition: int) -> None: ...


class BenchTopic:
    """A topic that is created on entry and deleted on exit. `begins` has the first offset of the last slice for each
    partition."""

    def __init__(self, bootstrap: str, partitions: int = 1) -> None:
        self.config = KafkaConfig((bootstrap,))
        self.topics = Topics(f"bench-{uuid4().hex[:8]}.")
        self.name = self.topics.inbound
        self.partitions = [TopicPartition(self.name, number) for number in range(partitions)]
        self.begins = [0] * partitions
        self._ends = [0] * partitions

    def __enter__(self) -> Self:
        configs = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
        with closing(self._admin()) as admin:
            admin.create_topics(
                {self.name: {"num_partitions": len(self.partitions), "replication_factor": 1, "configs": configs}}
            )
            admin.wait_for_topics([self.name])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with closing(self._admin()) as admin:
            admin.delete_topics([self.name])

    @contextmanager
    def slice(self) -> Iterator[SendRecord]:
        """Yields a function that sends a record. At the end all records are acknowledged."""
        producer: Any = KafkaProducer(  # type: ignore[no-untyped-call]
            **self.config.client_options(), acks="all", compression_type="gzip", linger_ms=20, enable_idempotence=False
        )
        self.begins = list(self._ends)

        sent = []

        def send(value: bytes, at: datetime, partition: int) -> None:
            at_ms = int(at.timestamp() * 1000)
            sent.append(producer.send(self.name, value, partition=partition, timestamp_ms=at_ms))
            self._ends[partition] += 1

        with closing(producer):
            yield send
            producer.flush()
            for record in sent:
                record.get()

    def _admin(self) -> Any:  # noqa: ANN401 - kafka-python has no types
        return KafkaAdminClient(**self.config.client_options())  # type: ignore[no-untyped-call]
