"""What the consumers tell Prometheus. Labels are names of ours, never anything a customer sent."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

_RECORDS = Counter("witiop_consumer_records", "Records worked in or put aside.", ["group"])
_SET_ASIDE = Counter("witiop_consumer_set_aside", "Records put aside because they could not be worked in.", ["group"])
_LOST = Counter("witiop_consumer_lost", "Records the broker deleted before they were read.", ["group"])
_BATCH_SIZE = Histogram(
    "witiop_consumer_batch_records", "Records in one transaction.", ["group"], buckets=(1, 5, 20, 60, 150, 300, 500)
)
_BATCH_SECONDS = Histogram(
    "witiop_consumer_batch_seconds",
    "Time of one transaction, from its begin to the end of its commit.",
    ["group"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_LAG = Gauge("witiop_consumer_lag_records", "Records that wait in a partition.", ["group", "topic", "partition"])


class ConsumerMetrics:
    """The metrics of one group."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._records = _RECORDS.labels(group)
        self._set_aside = _SET_ASIDE.labels(group)
        self._sizes = _BATCH_SIZE.labels(group)
        self._seconds = _BATCH_SECONDS.labels(group)
        self._lost = _LOST.labels(group)
        self._lagging: set[tuple[str, int]] = set()

    def batch(self, records: int, seconds: float, set_aside: int) -> None:
        """One transaction was committed."""
        self._records.inc(records)
        self._set_aside.inc(set_aside)
        self._sizes.observe(records)
        self._seconds.observe(seconds)

    def lost(self, records: int) -> None:
        """The broker deleted records before they were read."""
        self._lost.inc(records)

    def lag(self, waiting: Mapping[tuple[str, int], int]) -> None:
        """How many records wait in each partition (topic and number) of this process; others speak for the others."""
        for topic, partition in self._lagging - waiting.keys():
            _LAG.remove(self._group, topic, str(partition))
        for (topic, partition), records in waiting.items():
            _LAG.labels(self._group, topic, str(partition)).set(records)
        self._lagging = set(waiting)
