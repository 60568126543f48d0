"""The relay's producer: publishes records in order, per key (architecture.md, P6).

One request is in flight at a time. After any failure the producer is discarded, because the caller repeats the records
that were not acknowledged, and the old producer must not send its own copies later.
"""

from collections.abc import Sequence
from time import monotonic
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from domain.ports import OutgoingRecord
from infra.kafka.client import open_client
from infra.kafka.config import KafkaConfig

DELIVERY_SECONDS = 5.0

_OPTIONS: dict[str, Any] = {
    "acks": "all",
    "enable_idempotence": False,  # it can get stuck for ever when a broker hangs (docs/decisions/0014)
    "max_in_flight_requests_per_connection": 1,
    "linger_ms": 1,
    "batch_size": 262_144,
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

    def publish(self, records: Sequence[OutgoingRecord]) -> list[bool]:
        """Returns, for each record, whether all in-sync replicas acknowledged it. Blocks for about `DELIVERY_SECONDS`
        at most. Does not raise when the broker is unreachable: then no record is acknowledged."""
        acknowledged = [False] * len(records)
        futures: list[Any] = []
        try:
            if self._producer is None:
                self._producer = open_client(KafkaProducer, **_OPTIONS, **self._config.client_options())
            for record in records:
                key = None if record.key is None else record.key.encode()
                futures.append(self._producer.send(record.topic, record.value, key, headers=list(record.headers)))
        except (KafkaError, ValueError):  # ValueError: the topic was deleted
            self._discard()
        until = monotonic() + DELIVERY_SECONDS + 1
        for index, future in enumerate(futures):
            try:
                future.get(timeout=max(0.0, until - monotonic()))
                acknowledged[index] = True
            except KafkaError:
                self._discard()
        return acknowledged

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
