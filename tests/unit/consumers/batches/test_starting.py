"""The offset at which a consumer starts, and how it recognises the log (architecture.md, P3)."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from consumers.batches.starting import Start, is_at, mark_of, parting_of, restored_until_of, start_of
from infra.kafka.consumer import IncomingRecord, OffsetRange
from infra.postgres.messaging.offsets import Position, RecordMark

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def record(offset: int, branch: str = "") -> IncomingRecord:
    value = f"{branch}{offset}".encode()
    return IncomingRecord("t", 0, offset, NOON + timedelta(seconds=offset), value, ())


def mark(offset: int) -> RecordMark:
    return mark_of(record(offset))


def test_a_partition_that_was_never_read_starts_at_its_first_record() -> None:
    assert Start(3) == start_of(None, "t", OffsetRange(3, 9))


def test_reading_continues_at_the_stored_offset_and_checks_the_record_before_it() -> None:
    assert Start(5, moved=False) == start_of(Position("t", 5), "t", OffsetRange(3, 9))
    assert Start(9, moved=False, check=mark(8)) == start_of(Position("t", 9, mark(8)), "t", OffsetRange(3, 9))
    assert Start(3, moved=False) == start_of(Position("t", 3, mark(2)), "t", OffsetRange(3, 9))


def test_a_topic_that_was_created_again_starts_at_its_first_record() -> None:
    assert Start(0, broken=True) == start_of(Position("old", 5), "new", OffsetRange(0, 9))


def test_where_a_log_that_was_cut_back_parts_has_to_be_found() -> None:
    assert start_of(Position("t", 10), "t", OffsetRange(0, 9)) is None


def test_records_that_the_broker_deleted_before_they_were_read_are_counted() -> None:
    assert Start(7, lost=2) == start_of(Position("t", 5), "t", OffsetRange(7, 9))


def test_a_record_is_recognised_by_offset_time_and_value() -> None:
    assert is_at(mark(5), record(5))
    others = [record(6), record(5, "other "), record(5)._replace(at=NOON), None]
    assert [False] * 4 == [is_at(mark(5), other) for other in others]


def test_a_group_whose_commit_in_kafka_is_ahead_of_the_database_was_restored() -> None:
    position = Position("t", 5)
    assert [0, 0, 9] == [restored_until_of(position, committed) for committed in (0, 5, 9)]
    assert [0, 9] == [restored_until_of(None, committed) for committed in (0, 9)]
    assert 9 == restored_until_of(Position("t", 7, restored_until=9), 9)


@given(
    st.lists(st.integers(0, 10_000), unique=True, max_size=200).map(sorted),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)
def test_where_two_logs_part_is_found_in_few_reads(offsets: list[int], begin: int, common: int, new: int) -> None:
    """The log held `common` records when it was cut back, has lost those before `begin`, and grew by `new`."""
    range_ = OffsetRange(min(begin, common), common + new)
    reads: list[int] = []

    def read(offset: int) -> IncomingRecord | None:
        reads.append(offset)
        return record(offset) if offset < common else record(offset, "other ")

    found = parting_of([mark(offset) for offset in offsets], range_, read)

    true = [offset for offset in offsets if range_.begin <= offset < common]
    assert (mark(true[-1]) if true else None) == found
    assert len(reads) <= 8
