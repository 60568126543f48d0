"""Opens kafka-python's clients so that a broker which is away costs nothing.

Their constructors raise when no broker answers, and in 3.0.12 leave a thread and sockets behind each time: a process
that waits for its broker for an hour would run out of them.
"""

from collections.abc import Callable
from typing import Any

from kafka.net.compat import KafkaNetClient


def open_client(make: Callable[..., Any], **settings: Any) -> Any:
    """A KafkaConsumer or KafkaProducer. Blocks for at most its `bootstrap_timeout_ms`. Raises KafkaError when no broker
    answers."""
    clients: list[Any] = []

    def client(**options: Any) -> Any:
        clients.append(KafkaNetClient(**options))  # type: ignore[no-untyped-call]
        return clients[0]

    try:
        return make(**settings, kafka_client=client)
    except BaseException:
        for each in clients:
            each.close()
        raise
