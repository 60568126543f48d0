"""Where reading begins (architecture.md, P3)."""

from consumers.batches.batch_loop import Start, start_at
from infra.kafka.consumer import Bounds
from infra.postgres.messaging.offsets import Position


def test_a_partition_never_read_begins_at_its_beginning() -> None:
    assert Start(3) == start_at(None, "t", Bounds(3, 9))


def test_reading_goes_on_where_the_group_stands() -> None:
    assert Start(5, moved=False) == start_at(Position("t", 5), "t", Bounds(3, 9))
    assert Start(9, moved=False) == start_at(Position("t", 9), "t", Bounds(3, 9))


def test_a_topic_made_again_or_cut_back_begins_at_its_beginning() -> None:
    assert Start(0) == start_at(Position("old", 5), "new", Bounds(0, 9))
    assert Start(0) == start_at(Position("t", 10), "t", Bounds(0, 9))


def test_records_the_broker_deleted_before_they_were_read_are_counted() -> None:
    assert Start(7, lost=2) == start_at(Position("t", 5), "t", Bounds(7, 9))
