"""The transcript of a conversation."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from domain.contract.page import transcript_document
from domain.conversations.transcript import MessageDelivery, transcript
from domain.facts import FACT, ConversationFact, CustomerSignal
from domain.ids import fact_id

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def fact(kind: str, minute: int = 0, **fields: Any) -> ConversationFact:
    """Any fact, with the fields that it needs besides the given ones."""
    at = NOON + timedelta(minutes=minute)
    needed = {
        "id": fact_id(kind, str(minute)),
        "phone_number_id": "106",
        "at": at,
        "sent_at": at,
        "customer": {"wa_id": "39333"},
        "type": "text",
        "wamid": f"wamid.{minute}",
        "session_id": "s1",
        "agent_id": "anna",
        "becomes": {"wa_id": "39334"},
    }
    made = FACT.validate_python({**needed, "kind": kind, **fields})
    assert isinstance(made, ConversationFact)
    return made


def test_an_item_has_every_promised_key() -> None:
    hello = fact("customer_turn", 1, text="Hello")
    expected = {
        "id": str(hello.id),
        "at": "2026-07-01T12:01:00Z",
        "from": "customer",
        "kind": "text",
        "text": "Hello",
        "status": None,
    }
    [item] = transcript([hello], {})
    assert expected == transcript_document(item)


def test_items_are_in_the_order_of_the_senders_times() -> None:
    facts = [fact("customer_turn", minute, text=str(minute)) for minute in (1, 2, 3)]
    facts.append(fact("bot_message", 2, text="2"))
    readings = [transcript(order, {}) for order in permutations(facts)]
    assert readings == [readings[0]] * len(readings)
    assert [item.text for item in readings[0]] == ["1", "2", "2", "3"]


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("customer_turn", {"type": "image", "text": "the menu"}, ("customer", "image", "the menu")),
        ("customer_turn", {"type": "location"}, ("customer", "location", None)),
        ("customer_signal", {"type": "reaction", "text": "👍"}, ("customer", "reaction", "👍")),
        ("customer_signal", {"type": "system", "text": "changed"}, ("system", "system", "changed")),
        ("human_echo", {"text": "I am here"}, ("agent", "text", "I am here")),
        ("customer_identity_changed", {"text": "changed"}, ("system", "identity.changed", "changed")),
        ("thread_control_passed", {}, ("system", "thread_control.passed", None)),
        ("bot_session_started", {}, ("bot", "session.started", None)),
        ("bot_message", {"text": "Hi"}, ("bot", "text", "Hi")),
        (
            "bot_menu_shown",
            {"options": [{"id": "1", "title": "Sales"}, {"id": "2", "title": "Support"}]},
            ("bot", "menu.shown", "1 Sales\n2 Support"),
        ),
        ("bot_choice", {"option_id": "1"}, ("bot", "choice.made", "1")),
        ("bot_handoff", {"skillset": "sales"}, ("bot", "handoff.requested", "sales")),
        ("bot_session_ended", {"outcome": "timeout"}, ("bot", "session.ended", "timeout")),
        ("agent_accepted", {}, ("agent", "conversation.accepted", None)),
        ("agent_message", {"text": "Good morning"}, ("agent", "text", "Good morning")),
        ("agent_declined", {"note": "lunch"}, ("agent", "conversation.declined", "lunch")),
        ("agent_closed", {}, ("agent", "conversation.closed", None)),
    ],
)
def test_every_kind_of_fact_has_a_speaker_a_kind_and_a_text(
    kind: str, fields: dict[str, Any], expected: tuple[str, str, str | None]
) -> None:
    [item] = transcript([fact(kind, **fields)], {})
    assert expected == (item.speaker, item.kind, item.text)


def test_a_message_that_was_edited_or_deleted_stays_and_is_marked() -> None:
    facts = [
        fact("customer_turn", 1, text="Helo"),
        fact("customer_turn", 2, text="oops"),
        fact("customer_signal", 3, text="Hello", type="edit", marks="wamid.1"),
        fact("customer_signal", 4, type="revoke", marks="wamid.2"),
    ]
    expected = [(True, False), (False, True), (False, False), (False, False)]
    items = transcript(facts, {})
    assert expected == [(item.edited, item.deleted) for item in items]
    said = [{key for key in ("edited", "deleted") if key in transcript_document(item)} for item in items]
    assert [{"edited"}, {"deleted"}, set(), set()] == said


def test_a_message_that_was_deleted_after_the_conversation_is_marked() -> None:
    revoke = fact("customer_signal", 3000, type="revoke", marks="wamid.1")
    assert isinstance(revoke, CustomerSignal)
    [item] = transcript([fact("customer_turn", 1, text="oops")], {}, [revoke])
    assert item.deleted


def test_a_customer_cannot_delete_messages_of_others() -> None:
    facts = [fact("agent_message", 1, text="Hello"), fact("customer_signal", 2, type="revoke", marks="wamid.1")]
    assert not any(item.deleted for item in transcript(facts, {}))


def test_items_of_an_agent_name_the_agent() -> None:
    [item] = transcript([fact("agent_accepted")], {})
    assert item.agent_id == "anna"


def test_outgoing_messages_show_their_delivery_and_messages_of_customers_do_not() -> None:
    facts = [
        fact("customer_turn", 0, text="Hello"),
        fact("bot_message", 1, text="Hi"),
        fact("agent_message", 2, text="Hi"),
        fact("human_echo", 3, text="Hi"),
        fact("bot_message", 4, text="Hi", wamid=None),
    ]
    deliveries = {f"wamid.{minute}": MessageDelivery(3, NOON, None) for minute in (0, 1, 3)}
    expected = [None, "read", None, "read", None]
    assert expected == [item.status for item in transcript(facts, deliveries)]


@pytest.mark.parametrize(
    ("rank", "succeeded", "failed", "expected"),
    [
        (0, None, None, None),
        (1, 0, None, "sent"),
        (2, 0, None, "delivered"),
        (3, 0, None, "read"),
        (4, 0, None, "played"),
        (0, None, 1, "failed"),
        (1, 0, 1, "failed"),
        (1, 1, 1, "failed"),
        (2, 2, 1, "delivered"),
    ],
)
def test_a_failure_is_final_unless_a_later_success_disproves_it(
    rank: int, succeeded: int | None, failed: int | None, expected: str | None
) -> None:
    times = [None if minute is None else NOON + timedelta(minutes=minute) for minute in (succeeded, failed)]
    assert expected == MessageDelivery(rank, *times).status
