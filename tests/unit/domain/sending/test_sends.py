"""What becomes of a send after its posts and after Meta's statuses, in whichever order they come."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.sending.sends import (
    TAKEN,
    Lane,
    NotSent,
    PostAccepted,
    PostOutcome,
    Refused,
    Send,
    SendState,
    SendStatus,
    StatusReport,
    Unanswered,
    after_post,
    after_status,
    is_over,
    letter,
    read_receipt,
    send_id,
)

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
WAIT = NotSent("Meta's error 131056", "recipient", timedelta(seconds=4), 131056)


def a_send(state: SendState = "sending", attempt: int = 1, **more: Any) -> Send:
    values: dict[str, Any] = {
        "id": send_id("c"),
        "command_id": "c",
        "phone_number_id": "1065",
        "address": "16505551234",
        "address_kind": "phone",
        "kind": "text",
        "lane": Lane.AGENT,
        "content": {"type": "text", "text": {"body": "hi"}},
        "text": "hi",
        "actor": "anna",
        "is_word": True,
        "is_claim": True,
        "needs_window": True,
        "requested_at": NOW,
        "secret": b"12345678",
        "state": state,
        "attempt": attempt,
    }
    return Send(**{**values, **more})


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(PostAccepted("w"), "accepted"), (WAIT, "queued"), (Refused(131047, "r"), "failed"), (Unanswered("u"), "unknown")],
)
def test_a_post_leads_to_the_state_of_its_outcome(outcome: PostOutcome, state: str) -> None:
    assert state == after_post(a_send(), outcome, 1).state


@pytest.mark.parametrize("outcome", [WAIT, Refused(1, "r"), Unanswered("u")])
def test_only_an_acceptance_counts_once_the_post_was_given_up(outcome: PostOutcome) -> None:
    """A sender that stood still comes back: it must not make due what was settled or posted again meanwhile."""
    for send in (a_send("unknown"), a_send("accepted", wamid="w"), a_send(attempt=2), a_send("assumed_sent")):
        assert send == after_post(send, outcome, 1)
    assert "accepted" == after_post(a_send("unknown"), PostAccepted("w"), 1).state


def test_an_acceptance_never_takes_back_what_a_status_said() -> None:
    for state in (*TAKEN, "failed", "dropped"):
        assert state == after_post(a_send(state, wamid="w"), PostAccepted("w"), 1).state


@pytest.mark.parametrize("order", list(itertools.permutations(["sent", "delivered", "read"])))
def test_the_progress_is_the_furthest_status_whatever_order_they_come_in(order: tuple[SendStatus, ...]) -> None:
    for first in ("sending", "unknown", "accepted"):
        send = a_send(first)
        for status in (*order, order[0]):
            send = after_status(send, StatusReport("w", status, 1))
        assert ("read", "w") == (send.state, send.wamid)


@pytest.mark.parametrize(("before", "after"), [("sent", "failed"), ("delivered", "delivered"), ("read", "read")])
def test_a_failure_counts_unless_the_message_arrived(before: SendState, after: str) -> None:
    assert after == after_status(a_send(before, wamid="w"), StatusReport("w", "failed", code=131026)).state


def test_a_success_after_a_failure_stands() -> None:
    failed = after_status(a_send("accepted", wamid="w"), StatusReport("w", "failed", code=131026))
    assert ("failed", 131026) == (failed.state, failed.error)
    delivered = after_status(failed, StatusReport("w", "delivered"))
    assert ("delivered", None) == (delivered.state, delivered.error)


@pytest.mark.parametrize("order", list(itertools.permutations(["sent", "failed"])))
def test_a_message_that_failed_has_failed_whatever_order_its_statuses_come_in(order: tuple[SendStatus, ...]) -> None:
    """That it was sent is no news of its delivery. Of another post of it, it is: then nobody knows of a failure."""
    send = a_send("accepted", wamid="w")
    for status in order:
        send = after_status(send, StatusReport("w", status, code=131026 if status == "failed" else None))
    assert ("failed", 131026) == (send.state, send.error)
    other = after_status(send, StatusReport("w2", "sent", 1))
    assert ("sent", "w2") == (other.state, other.wamid)
    assert "sent" == after_status(a_send("failed"), StatusReport("w", "sent", 1)).state


def test_a_refusal_for_writing_too_fast_is_counted_until_one_is_accepted() -> None:
    once = after_post(a_send(), WAIT, 1)
    twice = after_post(replace(once, state="sending", attempt=2), WAIT, 2)
    accepted = after_post(replace(twice, state="sending", attempt=3), PostAccepted("w"), 3)
    assert (1, 2, 0) == (once.pair_refusals, twice.pair_refusals, accepted.pair_refusals)


def test_a_send_is_over_when_its_window_or_its_own_time_is() -> None:
    soon, past = NOW + timedelta(seconds=1), NOW
    assert is_over(a_send(), NOW, soon) is None
    assert "window_closed" == is_over(a_send(), NOW, past)
    assert "window_closed" == is_over(a_send(), NOW, None)
    assert is_over(a_send(needs_window=False), NOW, None) is None
    assert "expired" == is_over(a_send(expires_at=past), NOW, soon)


def test_a_phone_is_written_with_its_country_code_and_a_plus() -> None:
    """Without the plus, Meta would prepend the country of the sender."""
    assert "+16505551234" == letter(a_send(), "cb")["to"]
    by_id = letter(a_send(address="US.1", address_kind="user_id"), "cb")
    assert ("US.1", "cb") == (by_id["recipient"], by_id["biz_opaque_callback_data"])
    assert "to" not in by_id
    group = letter(a_send(address="g1", address_kind="group", reply_to="wamid.q"), "cb")
    assert ("group", "g1", {"message_id": "wamid.q"}) == (group["recipient_type"], group["to"], group["context"])


def test_typing_is_shown_together_with_the_read_mark() -> None:
    assert "typing_indicator" not in read_receipt("w", typing=False)
    typing = read_receipt("w", typing=True)
    assert ("read", {"type": "text"}) == (typing["status"], typing["typing_indicator"])


def test_a_command_has_one_send_however_often_it_comes() -> None:
    assert send_id("c") == send_id("c") != send_id("d")
    assert isinstance(send_id("c"), UUID)
