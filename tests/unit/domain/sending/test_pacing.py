"""How many messages a number may send now."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.sending.pacing import Bucket

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def after(bucket: Bucket, seconds: float) -> Bucket:
    return bucket.refilled(bucket.refilled_at + timedelta(seconds=seconds))


def test_a_number_sends_at_four_fifths_of_metas_limit() -> None:
    """Meta counts incoming messages too."""
    assert 64 == after(Bucket(0, NOW, 80), 1).tokens


def test_an_idle_number_saves_no_more_than_a_second() -> None:
    assert 64 == after(Bucket(0, NOW, 80), 3600).tokens


def test_a_number_that_was_too_fast_halves_its_rate_and_recovers_within_seconds() -> None:
    slowed = Bucket(10, NOW, 80).slowed()
    assert (0, 32) == (slowed.tokens, slowed.rate)
    assert 0.5 < after(slowed, 1).slowdown < 1 == after(slowed, 10).slowdown


def test_even_the_slowest_number_sends_one_message_in_the_end() -> None:
    slowest = Bucket(0, NOW, 1, 1 / 64)
    assert after(slowest, 120).tokens >= 1


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 50)), max_size=40))
def test_no_more_is_sent_than_the_rate_and_one_burst_allow(steps: list[tuple[float, int]]) -> None:
    bucket, sent, seconds = Bucket(0, NOW, 80), 0, 0.0
    for pause, wanted in steps:
        bucket = after(bucket, pause)
        seconds += pause
        taken = min(wanted, int(bucket.tokens))
        bucket, sent = bucket.taken(taken), sent + taken
    assert sent <= 64 * (seconds + 1)


def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    assert 5 == after(Bucket(5, NOW, 80), -60).tokens
