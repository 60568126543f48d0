"""Publishes records so that those of one key never overtake each other: the relay's producer (architecture.md, P6).

One request in flight; after any failure the producer is thrown away, so that nothing it still holds is sent behind the
back of the caller, who sends again what was not acknowledged.
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
    "enable_idempotence": False,  # it can wedge for good when a broker hangs (architecture.md)
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
    """Nothing is opened before the first call. Not thread-safe."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._producer: Any = None

    def publish(self, records: Sequence[OutgoingRecord]) -> list[bool]:
        """Whether each record was acknowledged by all in-sync replicas. Blocks for about `DELIVERY_SECONDS` at most.
        Never raises for a broker that is away: then nothing was acknowledged."""
        acknowledged = [False] * len(records)
        futures: list[Any] = []
        try:
            if self._producer is None:
                self._producer = open_client(KafkaProducer, **_OPTIONS, **self._config.client_options())
            for record in records:
                key = None if record.key is None else record.key.encode()
                futures.append(self._producer.send(record.topic, record.value, key, headers=list(record.headers)))
        except (KafkaError, ValueError):  # ValueError: a topic that vanished
            self._discard()
        until = monotonic() + DELIVERY_SECONDS + 1
        for place, future in enumerate(futures):
            try:
                future.get(timeout=max(0.0, until - monotonic()))
                acknowledged[place] = True
            except KafkaError:
                self._discard()
        return acknowledged

    def close(self) -> None:
        """Drops what is not acknowledged."""
        self._discard()

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.close(timeout=0)
        except KafkaError:
            producer._sender.force_close()  # close() leaves its thread running when something is unacknowledged
