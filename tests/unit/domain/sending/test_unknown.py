"""What is known of sends whose answer was lost."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.sending.sends import Lane, Send, send_id
from domain.sending.unknown import ResendPolicy, Silence, is_repeated_by_itself

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


@pytest.mark.parametrize(
    ("kind", "policy", "is_repeated"),
    [("text", "free_form", True), ("text", "never", False), ("template", "free_form", False)],
)
def test_only_what_is_no_template_is_repeated_by_itself(kind: str, policy: ResendPolicy, is_repeated: bool) -> None:
    """S6. Where the setting allows it, once silence has told that it was probably not sent."""
    send = Send(
        id=send_id("c"),
        command_id="c",
        phone_number_id="1065",
        address="16505551234",
        address_kind="phone",
        kind=kind,
        lane=Lane.AGENT,
        content={},
        text=None,
        actor="anna",
        is_word=True,
        is_claim=True,
        needs_window=False,
        requested_at=AT,
        secret=b"12345678",
        state="unknown",
    )
    assert is_repeated == is_repeated_by_itself(send, Silence(AT, AT + 10 * MINUTE, AT + MINUTE), policy)
