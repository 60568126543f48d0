"""Publishing from the command line. A broker that does not answer is reported within seconds."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from witiop.exit_codes import NotReachable

if TYPE_CHECKING:  # the drivers are slow to import: `--help` does without
    from domain.ports import Publisher
    from witiop.settings import Settings

BROKER_SECONDS = 5.0
"""Longest wait for an answer from the broker."""


@contextmanager
def connected_publisher(settings: "Settings", topics: Sequence[str]) -> Iterator["Publisher"]:
    """Yields a publisher that is connected to its broker, and closes it at the end.

    Silences the logs of the libraries, which are not meant for people, unless the log level is debug.

    Raises:
        NotReachable: no broker answered within BROKER_SECONDS.
    """
    from infra.kafka.producer import KafkaPublisher
    from infra.process.logging import configure
    from witiop.wiring import from_settings

    configure("debug" if settings.log_level == "debug" else "critical")
    publisher = KafkaPublisher(from_settings.kafka_config(settings), topics)
    try:
        until = time.monotonic() + BROKER_SECONDS
        while missing := publisher.not_ready_reasons():
            if time.monotonic() > until:
                servers = ", ".join(settings.kafka_bootstrap_servers)
                raise NotReachable(f"Kafka does not answer at {servers} ({'; '.join(missing)})")
            time.sleep(0.05)
        yield publisher
    finally:
        publisher.close()
