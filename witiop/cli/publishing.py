"""Publishing from the command line: a broker that does not answer is said at once, and everything is closed again."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from witiop.exit_codes import NotReachable

if TYPE_CHECKING:  # the drivers take their time: `--help` does without
    from domain.ports import Publisher
    from witiop.settings import Settings

BROKER_SECONDS = 5.0
"""How long the broker may take until it answers."""


@contextmanager
def publisher(settings: "Settings", topics: Sequence[str]) -> Iterator["Publisher"]:
    """One that has reached its broker. What the libraries say is not for people: from here on they are silent.

    Raises:
        NotReachable: no broker answered in time.
    """
    from infra.kafka.producer import KafkaPublisher
    from infra.process.logging import configure
    from witiop.wiring import from_settings

    configure("debug" if settings.log_level == "debug" else "critical")
    made = KafkaPublisher(from_settings.kafka_config(settings), topics)
    try:
        until = time.monotonic() + BROKER_SECONDS
        while missing := made.not_ready_reasons():
            if time.monotonic() > until:
                raise NotReachable("; ".join(missing))
            time.sleep(0.05)
        yield made
    finally:
        made.close()
