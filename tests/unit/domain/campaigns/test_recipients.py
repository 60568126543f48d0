"""What becomes of a recipient when its send changes: every state of a send means exactly one of a recipient."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.campaigns.recipients import RECIPIENT_STATES, after_send, campaign_send_id
from domain.sending.sends import SEND_STATES, Lane, Send, SendState

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
SEND = Send(
    id=UUID(int=1),
    command_id="campaign:1:2:1",
    phone_number_id="1",
    address="16505550002",
    address_kind="phone",
    kind="template",
    lane=Lane.CAMPAIGN,
    content={},
    text=None,
    actor="campaign:Autumn",
    is_word=False,
    is_claim=False,
    needs_window=False,
    requested_at=NOON,
    secret=b"s",
    claimed_at=NOON,
)


@pytest.mark.parametrize("state", SEND_STATES)
def test_every_state_of_a_send_means_one_of_its_recipient(state: SendState) -> None:
    change = after_send(replace(SEND, state=state), NOON)
    assert change.state in RECIPIENT_STATES
    reached = {"accepted", "sent", "delivered", "read", "unknown", "assumed_sent"}
    assert (change.state in reached) == (change.accepted_at == NOON)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": "failed", "error": 131026}, ("failed", "131026")),
        ({"state": "dropped"}, ("failed", "not_delivered")),
        ({"state": "expired", "reason": "opted_out"}, ("skipped", "opted_out")),
        ({"state": "expired", "reason": "expired"}, ("deferred", "quiet_hours")),
        ({"state": "recalled"}, ("planned", None)),
        ({"state": "played"}, ("read", None)),
    ],
)
def test_a_reason_is_kept(changes: dict[str, object], expected: tuple[str, str | None]) -> None:
    change = after_send(replace(SEND, **changes), NOON)  # type: ignore[arg-type]
    assert expected == (change.state, change.reason)


def test_a_failure_says_from_when_on_another_attempt_can_succeed() -> None:
    """131049: Meta's limit of marketing messages per person, for a day."""
    failed = replace(SEND, state="failed", error=131049)
    assert NOON + timedelta(hours=24) == after_send(failed, NOON).due_at
    assert after_send(replace(failed, error=131026), NOON).due_at is None


def test_what_meta_holds_back_is_told_apart() -> None:
    assert ("accepted", "held") == after_send(replace(SEND, state="accepted"), NOON, held=True)[:2]


def test_a_send_of_a_recipient_is_one_however_often_it_is_asked_for() -> None:
    """C1: an attempt that was handed over twice is one row."""
    campaign = UUID(int=7)
    assert campaign_send_id(campaign, 2, 1) == campaign_send_id(campaign, 2, 1)
    assert 3 == len({campaign_send_id(campaign, row, n) for row, n in ((2, 1), (2, 2), (21, 1))})
