"""Histograms of durations in logarithmic buckets. Those of any days and numbers can be added up, and quantiles are read
from them without the single durations, with an error of at most a tenth."""

from collections.abc import Mapping
from math import log2

_PER_DOUBLING = 4
"""Buckets between a duration and its double."""
LAST_BUCKET = 71
"""Of all durations above two and a half days."""


def bucket_of(seconds: int) -> int:
    """Returns the bucket of a duration of 0 or more seconds."""
    return min(LAST_BUCKET, int(_PER_DOUBLING * log2(1 + seconds)))


def quantile(histogram: Mapping[int, int], share: float) -> float | None:
    """Returns the duration in seconds that `share` of all durations do not exceed; None: there are none. `histogram`:
    bucket -> number of durations."""
    wanted = share * sum(histogram.values())
    if wanted <= 0:
        return None
    counted = 0
    for bucket, n in sorted(histogram.items()):
        if n > 0 and counted + n >= wanted:
            return float(2 ** ((bucket + (wanted - counted) / n) / _PER_DOUBLING) - 1)
        counted += n
    return None
