"""Histograms of durations."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from domain.statistics.buckets import LAST_BUCKET, bucket_of, quantile

SECONDS = st.integers(0, 10 * 365 * 86400)


@given(SECONDS, SECONDS)
def test_longer_durations_are_in_later_buckets(some: int, more: int) -> None:
    low, high = sorted((some, more))
    assert 0 <= bucket_of(low) <= bucket_of(high) <= LAST_BUCKET


@given(st.lists(st.integers(0, 2 * 86400), min_size=1), st.sampled_from([0.5, 0.9]))
def test_a_quantile_of_merged_histograms_is_near_that_of_the_durations(seconds: list[int], share: float) -> None:
    halves = seconds[::2], seconds[1::2]
    merged = sum((Counter(map(bucket_of, half)) for half in halves), Counter[int]())
    found = quantile(merged, share)
    true = next(s for n, s in enumerate(sorted(seconds), 1) if n >= share * len(seconds))
    assert found is not None
    assert (1 + true) / 1.2 <= 1 + found <= (1 + true) * 1.2


def test_there_is_no_quantile_of_nothing() -> None:
    assert None is quantile({}, 0.5)
