"""How many messages a number may send now."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.sending.pacing import Bucket, PeopleLeft, people_left

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


def test_what_comes_in_is_taken_from_the_rate_but_never_all_of_it() -> None:
    """A flood of messages must not keep agents from answering it."""
    assert 44 == Bucket(0, NOW, 80, inbound=20).rate
    assert 8 == Bucket(0, NOW, 80, inbound=500).rate


def test_campaigns_may_send_what_is_above_a_fifth() -> None:
    assert (0, 7, 51) == tuple(Bucket(tokens, NOW, 80).for_campaigns for tokens in (12, 20, 64))


def test_even_the_slowest_number_sends_a_message_of_a_campaign_in_the_end() -> None:
    slowest = Bucket(0, NOW, 1, 1 / 64)
    assert (0, 1) == (slowest.for_campaigns, after(slowest, 120).for_campaigns)


def test_a_number_waits_for_the_next_message_and_then_for_the_next_of_a_campaign() -> None:
    empty = Bucket(0, NOW, 80)
    assert 1 / 64 == empty.next_seconds
    one = empty._replace(tokens=1)
    assert 1 == after(one, one.next_seconds + 1e-6).for_campaigns


def test_campaigns_reach_fewer_people_than_agents() -> None:
    """Of 250 a day they leave the last thirteen."""
    assert PeopleLeft(250, 237) == people_left(250, 0)
    assert PeopleLeft(13, 0) == people_left(250, 237)
    assert PeopleLeft(0, 0) == people_left(250, 300)
    assert people_left(None, 300) is None
