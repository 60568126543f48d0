"""Conversion of kafka-python records."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from infra.kafka.consumer import to_record

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        (1_767_225_600_123, datetime(2026, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC)),
        (-1, EARLIEST),
        (None, EARLIEST),
        (-(2**63), EARLIEST),
        (10**15, LATEST),
        (2**63 - 1, LATEST),
    ],
)
def test_every_timestamp_that_a_record_can_hold_is_converted(timestamp: int | None, at: datetime) -> None:
    """A number that is not a valid time becomes the nearest valid one."""
    record = SimpleNamespace(topic="t", partition=0, offset=7, timestamp=timestamp, value=None, headers=None)
    assert (at, b"", 7) == (to_record(record).at, to_record(record).value, to_record(record).offset)
