"""One producer of kafka-python 3.0.12 and its view of the cluster, with the settings that were measured for P1."""

import threading
from collections.abc import Sequence
from typing import Any, Protocol

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError
from kafka.net.compat import KafkaNetClient

from domain.ports import OutgoingRecord
from infra.kafka.config import KafkaConfig

DELIVERY_SECONDS = 2.2
"""A record that is not acknowledged after this has failed. With the answer around it, it leaves room below 3 s."""
MAX_REQUEST_BYTES = 4 * 1024 * 1024
"""Largest record, as `max.message.bytes` of the topics: a signed body of 3 MiB that nobody can read must fit."""
ANSWER_SECONDS = 2.0
"""How long a look at the broker waits for its answer."""

_OPTIONS: dict[str, Any] = {
    "acks": "all",
    # The idempotent producer can wedge for good when a broker hangs (architecture.md); repeats meet unique keys.
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
# kafka-python doubles the time it gives to a connection from 10 to 30 s: too long for a network that swallowed one.
_CONNECT_OPTIONS = {"socket_connection_setup_timeout_ms": 2000, "socket_connection_setup_timeout_max_ms": 2000}


class PendingSend(Protocol):
    """A record on its way. kafka-python's futures are such."""

    @property
    def is_done(self) -> bool:
        """Whether it is acknowledged or has failed."""

    def get(self, timeout: float) -> "Acknowledged":
        """Wait for at most `timeout` seconds; raise KafkaError if it has failed or is not done."""


class Acknowledged(Protocol):
    """What the broker said of a record. kafka-python's metadata are such."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


class ProducerClient(Protocol):
    """One producer and its view of the cluster."""

    def send(self, record: OutgoingRecord) -> PendingSend:
        """Hand a record over; what is returned tells what becomes of it."""

    def not_ready_reasons(self) -> Sequence[str]:
        """Ask the broker for its topics, and say what it lacks; blocks for at most 2 s."""

    def end(self, grace_seconds: float) -> None:
        """Close it, by force after the grace time. Who still waits for it gets an error."""


class KafkaProducerClient:
    """A `ProducerClient` on kafka-python. Ready when every partition of `topics`, to which records are sent, has a
    leader."""

    def __init__(self, config: KafkaConfig, topics: Sequence[str]) -> None:
        """Blocks for at most 2 s; raises KafkaError when no broker answers."""
        self._topics = topics
        options = {**_OPTIONS, **config.client_options()}
        client = KafkaNetClient(**options, **_CONNECT_OPTIONS)  # type: ignore[no-untyped-call]
        self._cluster = client.cluster
        # The producer's own option of this name does not reach its requests for metadata in 3.0.12.
        self._cluster.config["allow_auto_create_topics"] = False
        for topic in topics:
            self._cluster.add_topic(topic)
        try:
            self._producer = KafkaProducer(**options, kafka_client=lambda **_: client)  # type: ignore[no-untyped-call]
        except BaseException:
            client.close()  # type: ignore[no-untyped-call]  # its constructor leaves the sockets open
            raise

    def send(self, record: OutgoingRecord) -> PendingSend:
        """See `ProducerClient`. Blocks for at most `max_block_ms`, when the topic has vanished."""
        key = None if record.key is None else record.key.encode()
        sent: PendingSend = self._producer.send(  # type: ignore[no-untyped-call]
            record.topic, value=record.value, key=key, headers=list(record.headers)
        )
        return sent

    def not_ready_reasons(self) -> Sequence[str]:
        """See `ProducerClient`."""
        answered = threading.Event()
        update = self._cluster.request_update()
        update.add_both(lambda _: answered.set())
        if not answered.wait(ANSWER_SECONDS) or update.failed():
            return ("kafka: no answer",)
        return tuple(f"kafka: topic {topic} is not available" for topic in self._topics if not self._has(topic))

    def _has(self, topic: str) -> bool:
        partitions = self._cluster.partitions_for_topic(topic)
        return bool(partitions) and partitions == self._cluster.available_partitions_for_topic(topic)

    def end(self, grace_seconds: float) -> None:
        """See `ProducerClient`."""
        try:
            self._producer.close(timeout=grace_seconds)  # type: ignore[no-untyped-call]
        except KafkaTimeoutError:
            # close() first waits for what is unacknowledged and, when that takes too long, leaves its thread running.
            self._producer._sender.force_close()  # type: ignore[no-untyped-call]
