"""The order of arrival."""

from datetime import UTC, datetime, timedelta

from domain.arrival import MAX_ARRIVAL, MAX_PLACE, arrival, arrived_by

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def test_bodies_are_ordered_by_their_time_and_updates_by_their_place() -> None:
    came = [arrival(NOON, 0), arrival(NOON, 1), arrival(NOON, MAX_PLACE), arrival(NOON + MILLISECOND, 0)]
    assert came == sorted(set(came))
    assert arrival(NOON, MAX_PLACE) == arrival(NOON, MAX_PLACE + 5)


def test_every_time_that_a_record_can_have_fits() -> None:
    assert arrival(datetime(1969, 1, 1, tzinfo=UTC)) == 0
    assert arrival(datetime.max.replace(tzinfo=UTC), MAX_PLACE) <= MAX_ARRIVAL


def test_nothing_arrives_after_the_broker_stored_it() -> None:
    fast_clock = arrival(NOON + timedelta(days=1), 3)
    assert arrival(NOON, 3) == arrived_by(fast_clock, NOON)
    assert arrival(NOON - MILLISECOND, 3) == arrived_by(arrival(NOON - MILLISECOND, 3), NOON)


def test_what_is_not_known_arrived_when_the_broker_stored_it() -> None:
    assert arrival(NOON) == arrived_by(0, NOON)
