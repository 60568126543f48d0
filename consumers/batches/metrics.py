"""Prometheus metrics of the consumers. Labels are names of ours, never content from outside."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

_RECORDS = Counter("witiop_consumer_records", "Records processed or made dead letters.", ["group"])
_DEAD_LETTERS = Counter(
    "witiop_consumer_dead_letters", "Records that could not be processed and became dead letters.", ["group"]
)
_EARLY = Counter("witiop_consumer_early", "Records that named a conversation which was not there yet.", ["group"])
_LOST = Counter("witiop_consumer_lost", "Records that the broker deleted before they were read.", ["group"])
_BROKEN = Counter(
    "witiop_consumer_log_breaks",
    "Times that a log was another one than the one that was read before.",
    ["group"],
)
_BATCH_SIZE = Histogram(
    "witiop_consumer_batch_records", "Records in one transaction.", ["group"], buckets=(1, 5, 20, 60, 150, 300, 500)
)
_BATCH_SECONDS = Histogram(
    "witiop_consumer_batch_seconds",
    "Duration of one transaction, including its commit.",
    ["group"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_LAG = Gauge("witiop_consumer_lag_records", "Records that wait in a partition.", ["group", "topic", "partition"])


class ConsumerMetrics:
    """The metrics of one consumer group."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._records = _RECORDS.labels(group)
        self._dead_letters = _DEAD_LETTERS.labels(group)
        self._sizes = _BATCH_SIZE.labels(group)
        self._seconds = _BATCH_SECONDS.labels(group)
        self._early = _EARLY.labels(group)
        self._lost = _LOST.labels(group)
        self._broken = _BROKEN.labels(group)
        self._lagging: set[tuple[str, int]] = set()

    def batch(self, records: int, seconds: float, dead_letters: int, early: int = 0) -> None:
        """Counts a committed transaction."""
        self._records.inc(records)
        self._dead_letters.inc(dead_letters)
        self._early.inc(early)
        self._sizes.observe(records)
        self._seconds.observe(seconds)

    def lost(self, records: int) -> None:
        """Counts records that the broker deleted before they were read."""
        self._lost.inc(records)

    def broken(self) -> None:
        """Counts a log that is another one than the one that was read."""
        self._broken.inc()

    def lag(self, waiting: Mapping[tuple[str, int], int]) -> None:
        """Sets the records that wait in each partition (topic and number) of this process. Other processes report their
        own partitions."""
        for topic, partition in self._lagging - waiting.keys():
            _LAG.remove(self._group, topic, str(partition))
        for (topic, partition), records in waiting.items():
            _LAG.labels(self._group, topic, str(partition)).set(records)
        self._lagging = set(waiting)
