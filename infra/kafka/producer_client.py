"""A kafka-python 3.0.12 producer and its cluster metadata, with the settings that were measured for P1."""

import threading
from collections.abc import Sequence
from typing import Any, Protocol

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError
from kafka.net.compat import KafkaNetClient

from domain.ports import OutgoingRecord
from infra.kafka.config import KafkaConfig

DELIVERY_SECONDS = 2.2
"""A record that is not acknowledged after this time has failed. Leaves enough time to answer a webhook within 3 s."""
MAX_REQUEST_BYTES = 4 * 1024 * 1024
"""Largest record, equal to the topics' `max.message.bytes`: an unreadable signed body of 3 MiB must fit."""
METADATA_SECONDS = 2.0
"""How long a readiness check waits for the broker's metadata."""

PRODUCER_OPTIONS: dict[str, Any] = {
    "acks": "all",
    # The idempotent producer can get stuck for ever when a broker hangs (docs/decisions/0014). Duplicates are harmless:
    # unique keys in the database absorb them.
    "enable_idempotence": False,
    "linger_ms": 2,
    "batch_size": 262_144,
    "compression_type": "gzip",
    "max_block_ms": 2000,
    "request_timeout_ms": 2000,
    "delivery_timeout_ms": int(DELIVERY_SECONDS * 1000),
    "bootstrap_timeout_ms": 2000,
    "max_request_size": MAX_REQUEST_BYTES,
    "metrics_enabled": False,
}
# kafka-python's connection timeout grows from 10 to 30 s: too long for a network that drops packets silently.
_CONNECT_OPTIONS = {"socket_connection_setup_timeout_ms": 2000, "socket_connection_setup_timeout_max_ms": 2000}


class PendingSend(Protocol):
    """A record that was handed to the producer, e.g. a kafka-python future."""

    @property
    def is_done(self) -> bool:
        """Whether the record is acknowledged or has failed."""

    def get(self, timeout: float) -> "Acknowledged":
        """Blocks for at most `timeout` seconds. Raises KafkaError if the record has failed or is not done by then."""


class Acknowledged(Protocol):
    """Where the broker stored a record, e.g. kafka-python's record metadata."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


class ProducerClient(Protocol):
    """One producer and its cluster metadata."""

    def send(self, record: OutgoingRecord) -> PendingSend:
        """Hands a record to the producer. Returns the pending send, which reports the outcome."""

    def not_ready_reasons(self) -> Sequence[str]:
        """Asks the broker for its topics and returns why records cannot be sent; empty when they can. Blocks for at
        most 2 s."""

    def end(self, grace_seconds: float) -> None:
        """Closes the producer, by force after the grace time. Callers that still wait for a record get an error."""


class KafkaProducerClient:
    """A `ProducerClient` on kafka-python. It is ready when every partition of `topics` has a leader."""

    def __init__(self, config: KafkaConfig, topics: Sequence[str]) -> None:
        """`topics`: those that records are sent to. Blocks for at most 2 s. Raises KafkaError when no broker
        answers."""
        self._topics = topics
        options = {**PRODUCER_OPTIONS, **config.client_options()}
        client = KafkaNetClient(**options, **_CONNECT_OPTIONS)  # type: ignore[no-untyped-call]
        self._cluster = client.cluster
        # In 3.0.12 the producer's own option of this name is not applied to its metadata requests.
        self._cluster.config["allow_auto_create_topics"] = False
        for topic in topics:
            self._cluster.add_topic(topic)
        try:
            self._producer = KafkaProducer(**options, kafka_client=lambda **_: client)  # type: ignore[no-untyped-call]
        except BaseException:
            client.close()  # type: ignore[no-untyped-call]  # the failed constructor leaves the sockets open
            raise

    def send(self, record: OutgoingRecord) -> PendingSend:
        """See `ProducerClient`. Blocks for at most `max_block_ms`, if the topic was deleted."""
        key = None if record.key is None else record.key.encode()
        pending: PendingSend = self._producer.send(  # type: ignore[no-untyped-call]
            record.topic, value=record.value, key=key, headers=list(record.headers)
        )
        return pending

    def not_ready_reasons(self) -> Sequence[str]:
        """See `ProducerClient`."""
        answered = threading.Event()
        update = self._cluster.request_update()
        update.add_both(lambda _: answered.set())
        if not answered.wait(METADATA_SECONDS) or update.failed():
            return ("kafka: no answer",)
        return tuple(
            f"kafka: topic {topic} is not available" for topic in self._topics if not self._is_available(topic)
        )

    def _is_available(self, topic: str) -> bool:
        partitions = self._cluster.partitions_for_topic(topic)
        return bool(partitions) and partitions == self._cluster.available_partitions_for_topic(topic)

    def end(self, grace_seconds: float) -> None:
        """See `ProducerClient`."""
        try:
            self._producer.close(timeout=grace_seconds)  # type: ignore[no-untyped-call]
        except KafkaTimeoutError:
            # close() first waits for unacknowledged records. If that takes too long, its thread is left running.
            self._producer._sender.force_close()  # type: ignore[no-untyped-call]
