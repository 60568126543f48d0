"""Compares a consumer with a bare loop on slices of a topic.

They process slices alternately (A B A B ...), so that other load of the machine affects both. The consumer is one
process as `witiop run` starts it, with its threads. The loop is one thread, as a first draft would be: it polls, and in
one transaction per poll it inserts its rows and updates the offset.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from statistics import median
from threading import Event as Flag
from threading import Lock
from time import monotonic
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from psycopg import Connection

from benchmarks.figures import Figure
from consumers.batches.batch_loop import Handler
from consumers.batches.metrics import ConsumerMetrics
from infra.kafka.config import KafkaConfig
from infra.postgres.connections.pool import connect
from infra.postgres.messaging.offsets import Offsets, Partition, Position
from witiop.settings import load
from witiop.wiring.consumers import parallel_loops

BATCH = 500
"""Maximum records per poll."""

PAIRS = 7
"""Number of slices that each of them processes."""

UNTIMED = 3
"""Batches at the beginning of a slice that are not timed, while the group is joined and queries are planned."""

PARTITIONS = 6

_BARE_SETTINGS: dict[str, Any] = {
    "enable_auto_commit": False,
    "max_poll_records": BATCH,
    "fetch_max_bytes": 8 * 1024 * 1024,
    "max_partition_fetch_bytes": 4 * 1024 * 1024,
    "metrics_enabled": False,
}


class _Clock(ConsumerMetrics):
    """Times a slice, from the end of its untimed batches to its last commit."""

    def __init__(self, group: str, records: int) -> None:
        super().__init__(group)
        self.over = Flag()
        self.rate = 0.0
        self._left = records
        self._timed = records - UNTIMED * BATCH
        self._began = 0.0
        self._lock = Lock()

    def batch(self, records: int, seconds: float = 0, dead_letters: int = 0, early: int = 0) -> None:
        """Counts a committed batch."""
        super().batch(records, seconds, dead_letters, early)
        assert dead_letters == early == 0
        with self._lock:
            self._left -= records
            if not self._began and self._left <= self._timed:
                self._timed, self._began = self._left, monotonic()
            if self._left == 0:
                self.rate = self._timed / (monotonic() - self._began)
                self.over.set()

    def lost(self, records: int) -> None:
        raise AssertionError("the broker deleted records")


def consumer_rate(
    config: KafkaConfig, topic: str, dsn: str, group: str, records: int, handler: Callable[[], Handler]
) -> float:
    """Returns records per second of the consumer, from the group's current offsets."""
    clock = _Clock(group, records)
    settings = load(kafka_bootstrap_servers=config.bootstrap_servers, postgres_dsn=dsn)
    with parallel_loops(settings, "bench", group, [topic], handler, lambda: clock) as consumer:
        consumer.run(clock.over)
    return clock.rate


def bare_rate(
    config: KafkaConfig,
    begins: Mapping[TopicPartition, int],
    dsn: str,
    group: str,
    records: int,
    insert: Callable[[Connection[Any], Sequence[Any]], None],
) -> float:
    """Returns records per second of the loop, from the offsets in `begins`. `insert` writes the rows of a poll."""
    clock = _Clock(group, records)
    consumer: Any = KafkaConsumer(**config.client_options(), **_BARE_SETTINGS)  # type: ignore[no-untyped-call]
    with closing(consumer), connect(dsn, "bench", autocommit=True) as connection:
        consumer.assign(list(begins))
        with connection.transaction():
            for partition, begin in begins.items():
                Offsets(connection, group).start(Partition(*partition), Position("", begin))
                consumer.seek(partition, begin)
        while not clock.over.is_set():
            for polled in consumer.poll(timeout_ms=500).values():
                with connection.transaction():
                    insert(connection, polled)
                    connection.execute(
                        "update consumer_offsets set next_offset = %s where group_name = %s and partition = %s",
                        [polled[-1].offset + 1, group, polled[-1].partition],
                    )
                clock.batch(len(polled))
    return clock.rate


def ratio(what: str, unit: str, rates: Sequence[tuple[float, float]], least: float, aim: str, mix: str) -> Figure:
    """Returns the median ratio of pairs of rates, each with the consumer's first. `aim` and `mix` extend the texts."""
    ratios = sorted(ours / bare for ours, bare in rates)
    ours, bare = (median(each) for each in zip(*rates, strict=True))
    return Figure(
        what=what,
        value=f"{median(ratios):.2f}",
        target=f"at least {least:.2f}{aim}",
        holds=median(ratios) >= least,
        meaning=f"consumer {ours:,.0f} {unit}/s, bare loop {bare:,.0f}, {mix}; median of {len(rates)} pairs, "
        f"from {ratios[0]:.2f} to {ratios[-1]:.2f}",
    )
