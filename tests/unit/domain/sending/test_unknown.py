"""What is known of sends whose answer was lost."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.sending.unknown import Silence

AT = datetime(2026, 11, 29, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("heard_until", "heard_at", "is_telling"),
    [
        (10, 1, True),
        (9.9, 1, False),
        (60, None, False),
        (60, -1, False),
    ],
)
def test_a_silence_tells_something_after_ten_minutes_of_listening(
    heard_until: float, heard_at: float | None, is_telling: bool
) -> None:
    """Minutes after the claim; the watermark of the inbound topic, and the last webhook of the number."""
    last = None if heard_at is None else AT + heard_at * MINUTE
    assert is_telling == Silence(AT, AT + heard_until * MINUTE, last).is_telling
