"""Opens kafka-python clients, without leaking resources while no broker answers, and fit for a cluster whose brokers
fail.

The constructors raise when no broker answers. In 3.0.12 each failure leaves a thread and sockets behind, and a process
that waits an hour for its broker would run out of them.
"""

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from kafka.net.compat import KafkaNetClient

_CONNECT_MS = 2000
"""kafka-python's connection timeout grows from 10 to 30 s: too long for a network that drops packets silently."""
_OUTDATED_SECONDS = 60.0


class NetClient(KafkaNetClient):
    """kafka-python's network client, which gives up a connection within seconds and knows which broker leads."""

    def __init__(self, **options: Any) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            **options,
            socket_connection_setup_timeout_ms=_CONNECT_MS,
            socket_connection_setup_timeout_max_ms=_CONNECT_MS,
        )
        LeaderGuard(self.cluster)


class LeaderGuard:
    """Keeps a client's knowledge of which broker leads a partition from going back.

    A broker that is cut off from the others still believes that it leads, and says so to those who ask it. kafka-python
    3.0.12 believes the last answer, so a client that can reach all brokers would change its mind with each answer, or
    read a log that nobody writes to. The epoch of a leader tells which answer is newer. If every answer is outdated for
    a minute, the brokers were restored from a backup: then the answers hold."""

    def __init__(self, cluster: Any, clock: Callable[[], float] = monotonic) -> None:
        """`cluster`: the client's metadata, whose updates are corrected from now on."""
        self._cluster = cluster
        self._clock = clock
        self._update = cluster.update_metadata
        self._current_at = clock()
        cluster.update_metadata = self.update

    def update(self, metadata: Any) -> None:
        """Takes over an answer of a broker, without what is older than what is known."""
        outdated = list(self._outdated(metadata))
        now = self._clock()
        if not outdated:
            self._current_at = now
        elif now - self._current_at < _OUTDATED_SECONDS:
            for partitions, place, known in outdated:
                partitions[place] = known
        self._update(metadata)

    def _outdated(self, metadata: Any) -> Iterator[tuple[list[Any], int, Any]]:
        """Yields the partitions of an answer with an older leader than the known one, as the list in which they are,
        the place in it and what is known."""
        for topic in metadata.topics:
            if topic.error_code or topic.topic_id != self._cluster.topic_id(topic.name):
                continue  # e.g. created again: its epochs begin again
            known = self._cluster._partitions.get(topic.name, {})
            for place, partition in enumerate(topic.partitions):
                before = known.get(partition.partition_index)
                if before is not None and partition.leader_epoch < before.leader_epoch:
                    yield topic.partitions, place, before


def open_client(make: Callable[..., Any], **settings: Any) -> Any:
    """Returns what `make` makes, e.g. a KafkaConsumer or KafkaProducer. Blocks for at most its `bootstrap_timeout_ms`.
    Raises KafkaError when no broker answers."""
    clients: list[Any] = []

    def client(**options: Any) -> Any:
        clients.append(NetClient(**options))
        return clients[0]

    try:
        return make(**settings, kafka_client=client)
    except BaseException:
        for each in clients:
            each.close()
        raise
