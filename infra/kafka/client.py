"""Opens kafka-python clients without leaking resources while no broker answers.

The constructors raise when no broker answers. In 3.0.12 each failure leaves a thread and sockets behind, and a process
that waits an hour for its broker would run out of them.
"""

from collections.abc import Callable
from typing import Any

from kafka.net.compat import KafkaNetClient


def open_client(make: Callable[..., Any], **settings: Any) -> Any:
    """Returns what `make` makes, e.g. a KafkaConsumer or KafkaProducer. Blocks for at most its `bootstrap_timeout_ms`.
    Raises KafkaError when no broker answers."""
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
