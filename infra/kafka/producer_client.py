"""A kafka-python 3.0.12 producer and its cluster metadata, with the settings that were measured for P1."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError

from domain.ports import OutgoingRecord
from infra.kafka.client import NetClient
from infra.kafka.config import KafkaConfig

DELIVERY_SECONDS = 2.2
"""A record that is not acknowledged after this time has failed. Leaves enough time to answer a webhook within 3 s."""
MAX_REQUEST_BYTES = 4 * 1024 * 1024
"""Largest record, equal to the topics' `max.message.bytes`: an unreadable signed body of 3 MiB must fit."""
METADATA_SECONDS = 2.0
"""How long a readiness check waits for the broker's metadata."""

_NOT_READY_MS = 20.0

PRODUCER_OPTIONS: dict[str, Any] = {
    "acks": "all",
    # The idempotent producer can get stuck for ever when a broker hangs (docs/decisions/0014). Duplicates are harmless:
    # unique keys in the database absorb them.
    "enable_idempotence": False,
    "linger_ms": 0,  # `infra.kafka.send_queue` forms the groups
    "batch_size": 262_144,
    "compression_type": "gzip",
    "max_block_ms": 2000,
    "request_timeout_ms": 2000,
    "delivery_timeout_ms": int(DELIVERY_SECONDS * 1000),
    "bootstrap_timeout_ms": 2000,
    "max_request_size": MAX_REQUEST_BYTES,
    "metrics_enabled": False,
}


class Acknowledged(Protocol):
    """Where the broker stored a record, e.g. kafka-python's record metadata."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


class ProducerClient(Protocol):
    """One producer and its cluster metadata."""

    def send(
        self, record: OutgoingRecord, acknowledged: Callable[[Acknowledged], None], failed: Callable[[Exception], None]
    ) -> None:
        """Hands a record to the producer, which may take it after the next `wake`. One of the functions is called with
        the outcome, usually in the producer's thread. Never blocks."""

    def wake(self) -> None:
        """Makes the producer send what it was handed. Never blocks."""

    def not_ready_reasons(self) -> Sequence[str]:
        """Asks the broker for its topics and returns why records cannot be sent; empty when they can. Blocks for at
        most 2 s."""

    def end(self, grace_seconds: float) -> None:
        """Closes the producer, by force after the grace time. Callers that still wait for a record get an error."""


class _NetClient(NetClient):
    """kafka-python's network client. The producer wakes it for every new batch, from inside `send`. Its thread would
    then send the first record of a group before the others are there, so only `wake` wakes it, until the producer is
    closed."""

    closing = False

    def wakeup(self) -> None:
        """Does nothing while records are sent."""
        if self.closing:
            super().wakeup()  # type: ignore[no-untyped-call]

    def wake(self) -> None:
        """Wakes the thread that waits for the network."""
        super().wakeup()  # type: ignore[no-untyped-call]

    def connection_delay(self, node_id: Any) -> float:
        """Returns after how many milliseconds to look again whether a connection is ready; what arrives on it ends the
        wait. kafka-python 3.0.12 returns seconds, which its producer takes for milliseconds, and 0 for a connection
        with as many requests as are allowed. While a broker hung, the producer's thread took a whole processor."""
        seconds: float = super().connection_delay(node_id)  # type: ignore[no-untyped-call]
        return max(seconds * 1000, _NOT_READY_MS)


class KafkaProducerClient:
    """A `ProducerClient` on kafka-python. It is ready when every partition of `topics` has a leader."""

    def __init__(self, config: KafkaConfig, topics: Sequence[str]) -> None:
        """`topics`: those that records are sent to. Blocks for at most 2 s. Raises KafkaError when no broker
        answers."""
        self._topics = topics
        options = {**PRODUCER_OPTIONS, **config.client_options()}
        client = self._client = _NetClient(**options)
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

    def send(
        self, record: OutgoingRecord, acknowledged: Callable[[Acknowledged], None], failed: Callable[[Exception], None]
    ) -> None:
        """See `ProducerClient`. Raises UnknownTopicOrPartitionError for a topic that does not exist: kafka-python would
        wait for it."""
        if self._cluster.partitions_for_topic(record.topic) is None:
            raise UnknownTopicOrPartitionError
        key = None if record.key is None else record.key.encode()
        pending: Any = self._producer.send(  # type: ignore[no-untyped-call]
            record.topic, value=record.value, key=key, headers=list(record.headers)
        )
        pending.add_callback(acknowledged)
        pending.add_errback(failed)

    def wake(self) -> None:
        """See `ProducerClient`."""
        self._client.wake()

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
        self._client.closing = True
        try:
            self._producer.close(timeout=grace_seconds)  # type: ignore[no-untyped-call]
        except KafkaTimeoutError:
            # close() first waits for unacknowledged records. If that takes too long, its thread is left running.
            self._producer._sender.force_close()  # type: ignore[no-untyped-call]
