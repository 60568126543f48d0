"""The relay's producer: publishes records in order, per key (architecture.md, P6).

One request is in flight at a time. After any failure the producer is discarded, because the caller repeats the records
that were not acknowledged, and the old producer must not send its own copies later.
"""

from collections.abc import Sequence
from time import monotonic
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from domain.ports import Delivery, OutgoingRecord
from infra.kafka.client import open_client
from infra.kafka.config import KafkaConfig
from infra.kafka.faults import kafka_fault

DELIVERY_SECONDS = 5.0

MAX_RECORD_BYTES = 1024 * 1024
"""Largest record, about the brokers' default `max.message.bytes`."""

_OPTIONS: dict[str, Any] = {
    "acks": "all",
    "enable_idempotence": False,  # it can get stuck for ever when a broker hangs (docs/decisions/0014)
    "max_in_flight_requests_per_connection": 1,
    "linger_ms": 1,
    "batch_size": 262_144,
    "max_request_size": MAX_RECORD_BYTES,
    "compression_type": "gzip",
    "max_block_ms": 3000,
    "request_timeout_ms": 4000,
    "delivery_timeout_ms": int(DELIVERY_SECONDS * 1000),
    "bootstrap_timeout_ms": 3000,
    "allow_auto_create_topics": False,
    "metrics_enabled": False,
}


class OrderedPublisher:
    """Publishes records in order. Connects on the first call. Not thread-safe."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._producer: Any = None

    def publish(self, records: Sequence[OutgoingRecord]) -> list[Delivery]:
        """Returns, for each record, whether all in-sync replicas acknowledged it, or why it can never be stored. Blocks
        for about `DELIVERY_SECONDS` at most, and once more for each record with which the broker refused others. Does
        not raise when the broker is unreachable: then no record is acknowledged."""
        deliveries, suspects = self._publish(records)
        for index in suspects:
            if len(records) == 1:
                break
            # the broker takes or refuses all records of a request together, so each is tried alone
            deliveries[index] = self.publish([records[index]])[0]
        return deliveries

    def _publish(self, records: Sequence[OutgoingRecord]) -> tuple[list[Delivery], list[int]]:
        """Publishes the records together. The second result: those that the broker refused as part of a request."""
        deliveries = [Delivery(False)] * len(records)
        suspects: list[int] = []
        futures: dict[int, Any] = {}
        try:
            if self._producer is None:
                self._producer = open_client(KafkaProducer, **_OPTIONS, **self._config.client_options())
            for index, record in enumerate(records):
                key = None if record.key is None else record.key.encode()
                try:
                    futures[index] = self._producer.send(record.topic, record.value, key, headers=list(record.headers))
                except MessageSizeTooLargeError as error:  # found by the client: the others are not affected
                    deliveries[index] = _refused(error)
        except (KafkaError, ValueError):  # ValueError: the topic was deleted
            self._discard()
        until = monotonic() + DELIVERY_SECONDS + 1
        for index, future in futures.items():
            try:
                future.get(timeout=max(0.0, until - monotonic()))
                deliveries[index] = Delivery(True)
            except KafkaError as error:
                if kafka_fault(error) == "data":  # the producer has dropped it, and can go on
                    deliveries[index] = _refused(error)
                    suspects.append(index)
                else:
                    self._discard()
        return deliveries, suspects

    def close(self) -> None:
        """Disconnects. Records that are not acknowledged are dropped."""
        self._discard()

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.close(timeout=0)
        except KafkaError:
            producer._sender.force_close()  # close() leaves its thread running while records are unacknowledged


def _refused(error: KafkaError) -> Delivery:
    too_large = isinstance(error, MessageSizeTooLargeError)
    return Delivery(
        False, "too large for its topic" if too_large else f"refused by the broker ({type(error).__name__})"
    )
