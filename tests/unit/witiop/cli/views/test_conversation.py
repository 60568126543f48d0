"""A conversation is rendered for people."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.conversations.conversation import Conversation, Decisions, Evidence, FactRef, Owner
from domain.conversations.events import HistoryEntry
from domain.conversations.reading.transcript import Speaker, TranscriptItem
from domain.conversations.reasons import Reason
from domain.directory import Number
from domain.ids import ConversationId, CustomerId, FactId, fact_id
from infra.postgres.lists.conversation_page import ConversationPage
from witiop.cli.views.conversation import conversation_lines

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HELLO = fact_id("hello")
MARK = FactRef(NOON, 0, HELLO)
SHOP = Number("106540352242922", "Shop", "Europe/Rome")

ACTIVE = Conversation(
    id=ConversationId(UUID(int=1)),
    customer_id=CustomerId(UUID(int=1)),
    phone_number_id=SHOP.phone_number_id,
    opened_at=NOON,
    window_ends_at=NOON + timedelta(days=1),
    wa_id="393331234567",
    reason=Reason.NO_CHOICE,
    because=(HELLO,),
    evidence=Evidence(first_turn=MARK, last_turn=MARK, last_text=(MARK, "Hello"), named=(MARK, "Anna\x1b[2J")),
)


def item(minute: int, speaker: Speaker, kind: str, text: str | None, **more: Any) -> TranscriptItem:
    id_ = HELLO if minute == 0 else fact_id(f"{minute}")
    return TranscriptItem(id_, NOON + timedelta(minutes=minute), speaker, kind, text, **more)


TRANSCRIPT = [
    item(0, "customer", "text", "Hello\nis \u202ethere?"),
    item(1, "bot", "menu.shown", "1 Sales\n2 Support"),
    item(2, "customer", "image", None, deleted=True),
    item(3, "agent", "text", "Good afternoon", status="read", agent_id="anna"),
    item(12 * 60, "customer", "text", "Tomorrow then", edited=True),
]
HISTORY = [
    HistoryEntry(1, NOON + timedelta(seconds=1), "became_unmanaged", Reason.NO_CHOICE, [HELLO], "customer"),
    HistoryEntry(2, NOON + timedelta(minutes=5), "queued", None, [UUID(int=9)], "boss", ("skillset", "sales")),
]


def shown(conversation: Conversation, width: int | None = None) -> list[str]:
    page = ConversationPage(conversation, SHOP, TRANSCRIPT, HISTORY)
    return [line.plain for line in conversation_lines(page, NOON + timedelta(hours=20, minutes=48), width)]


def test_it_has_a_head_a_transcript_and_a_history() -> None:
    expected = r"""
● active  unmanaged
id          00000000-0000-0000-0000-000000000001
customer    Anna\x1b[2J 393331234567
number      Shop (106540352242922)
opened      2026-07-01 14:00:00+02:00
window      ends 2026-07-02 14:00:00+02:00, 3h 12m left
reason      no_choice: The customer did not choose anything from the menu
decided by  "Hello ⏎ is \u202ethere?" (customer, 14:00:00)

Transcript
Wednesday 2026-07-01 +02:00
  14:00:00  customer    Hello
                        is \u202ethere?
  14:01:00  bot         [menu.shown] 1 Sales
                        2 Support
  14:02:00  customer    [image] (deleted)
  14:03:00  agent anna  Good afternoon ✓✓ read
Thursday 2026-07-02 +02:00
  02:00:00  customer    Tomorrow then (edited)

History
  2026-07-01 14:00:01+02:00  became_unmanaged (no_choice)  by customer  "Hello ⏎ is \u202ethere?" (customer, 14:00:00)
  2026-07-01 14:05:00+02:00  queued skillset sales         by boss      00000000-0000-0000-0000-000000000009
"""
    assert expected.strip().splitlines() == shown(ACTIVE)


@pytest.mark.parametrize(
    ("conversation", "line"),
    [
        (ACTIVE._replace(reason=None, managed=True), "● active  managed"),
        (ACTIVE._replace(reason=None), "● active  waiting"),
        (
            ACTIVE._replace(reason=None, decisions=Decisions(owner=Owner("user", "anna", "accepted", NOON))),
            "● active  accepted, not answered yet",
        ),
        (
            ACTIVE._replace(status="closed", closed_at=NOON + timedelta(hours=1)),
            "closed      2026-07-01 15:00:00+02:00",
        ),
        (ACTIVE._replace(window_ends_at=NOON + timedelta(hours=20)), "window      ended 2026-07-02 10:00:00+02:00"),
        (
            ACTIVE._replace(decisions=Decisions(owner=Owner("user", "anna", "reserved", NOON + timedelta(minutes=30)))),
            "owner       reserved for user anna until 2026-07-01 14:30:00+02:00",
        ),
        (ACTIVE._replace(status="closed"), "window      ends 2026-07-02 14:00:00+02:00"),
        (
            ACTIVE._replace(because=(FactId(UUID(int=7)),)),
            "decided by  00000000-0000-0000-0000-000000000007",
        ),
    ],
)
def test_its_head_has_the_current_state(conversation: Conversation, line: str) -> None:
    assert line in shown(conversation)


def test_every_reason_has_an_explanation_of_its_own() -> None:
    explained = {
        line for reason in Reason for line in shown(ACTIVE._replace(reason=reason)) if line.startswith("reason")
    }
    assert len(explained) == len(Reason)


def test_in_a_terminal_messages_wrap_beside_the_speaker() -> None:
    assert "                        read" in shown(ACTIVE, 44)
