"""The offset at which a consumer starts (architecture.md, P3)."""

from consumers.batches.batch_loop import Start, start_of
from infra.kafka.consumer import OffsetRange
from infra.postgres.messaging.offsets import Position


def test_a_partition_that_was_never_read_starts_at_its_first_record() -> None:
    assert Start(3) == start_of(None, "t", OffsetRange(3, 9))


def test_reading_continues_at_the_stored_offset() -> None:
    assert Start(5, moved=False) == start_of(Position("t", 5), "t", OffsetRange(3, 9))
    assert Start(9, moved=False) == start_of(Position("t", 9), "t", OffsetRange(3, 9))


def test_a_topic_that_was_recreated_or_truncated_starts_at_its_first_record() -> None:
    assert Start(0) == start_of(Position("old", 5), "new", OffsetRange(0, 9))
    assert Start(0) == start_of(Position("t", 10), "t", OffsetRange(0, 9))


def test_records_that_the_broker_deleted_before_they_were_read_are_counted() -> None:
    assert Start(7, lost=2) == start_of(Position("t", 5), "t", OffsetRange(7, 9))
