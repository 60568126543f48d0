"""The public representation of a conversation."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from domain.contract.row import row_document
from domain.conversations.conversation import Conversation, Decisions, Evidence, FactRef, Owner
from domain.conversations.reasons import Reason
from domain.ids import ConversationId, CustomerId, fact_id
from domain.times import rfc3339

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HELLO = FactRef(NOON, 0, fact_id("hello"))

QUEUED = Conversation(
    id=ConversationId(UUID("0197c5b1-8c00-8a00-8000-000000000001")),
    customer_id=CustomerId(UUID(int=1)),
    phone_number_id="106540352242922",
    opened_at=NOON - timedelta(minutes=1),
    window_ends_at=NOON + timedelta(days=1),
    wa_id="393331234567",
    entries=2,
    evidence=Evidence(last_turn=HELLO, last_text=(HELLO, "Hello"), named=(HELLO, "Anna")),
    decisions=Decisions(owner=Owner("skillset", "sales", "queued"), queued_at=NOON),
    version=3,
    sequence=2,
)
CLOSED = Conversation(
    id=ConversationId(UUID("0197c5b1-8c00-8a00-8000-000000000002")),
    customer_id=CustomerId(UUID(int=1)),
    phone_number_id="106540352242922",
    opened_at=NOON,
    window_ends_at=NOON + timedelta(days=1),
    user_id="IT.1349",
    status="closed",
    closed_at=NOON + timedelta(days=1),
    reason=Reason.NO_CHOICE,
    decisions=Decisions(owner=Owner("user", "anna", "reserved", NOON + timedelta(minutes=30, microseconds=5))),
)


def test_a_row_has_every_promised_key() -> None:
    expected = {
        "id": "0197c5b1-8c00-8a00-8000-000000000001",
        "phone_number_id": "106540352242922",
        "customer": {"wa_id": "393331234567", "user_id": None, "name": "Anna", "group_id": None},
        "status": "active",
        "reason": None,
        "last_text": "Hello",
        "last_speaker": None,
        "last_at": "2026-07-01T12:00:00Z",
        "opened_at": "2026-07-01T11:59:00Z",
        "window_ends_at": "2026-07-02T12:00:00Z",
        "closed_at": None,
        "owner": {"kind": "skillset", "id": "sales", "state": "queued", "until": None},
        "waits_since": None,
        "reply_by": None,
        "parked_until": None,
        "released": None,
        "dismissed": None,
        "entries": 2,
        "version": 3,
        "sequence": 2,
    }
    assert expected == row_document(QUEUED)


def test_the_row_of_a_closed_conversation_has_the_reason_and_the_time() -> None:
    expected = {"status": "closed", "reason": "no_choice", "closed_at": "2026-07-02T12:00:00Z"}
    assert expected == {key: row_document(CLOSED)[key] for key in expected}


def test_the_row_of_a_reservation_has_its_owner_and_its_end() -> None:
    expected = {"kind": "user", "id": "anna", "state": "reserved", "until": "2026-07-01T12:30:00.000005Z"}
    assert expected == row_document(CLOSED)["owner"]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOON, "2026-07-01T12:00:00Z"),
        (NOON.astimezone(timezone(timedelta(hours=2))), "2026-07-01T12:00:00Z"),
        (NOON.replace(microsecond=120), "2026-07-01T12:00:00.000120Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_utc(at: datetime, expected: str) -> None:
    assert expected == rfc3339(at)
