"""The transcript of a conversation."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from domain.contract.page import transcript_document
from domain.conversations.evidence.message_changes import MessageChange, change_of
from domain.conversations.reading.transcript import MessageDelivery, senders, transcript
from domain.facts import FACT, ConversationFact
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
        "sender": {"wa_id": "39333", "user_id": None, "name": None},
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


def test_an_edit_is_shown_in_place_and_what_was_deleted_is_not_shown() -> None:
    facts = [
        fact("customer_turn", 1, text="Helo"),
        fact("customer_turn", 2, text="oops"),
        fact("customer_signal", 3, text="Hello", type="edit", marks="wamid.1"),
        fact("customer_signal", 4, type="revoke", marks="wamid.2"),
    ]
    items = transcript(facts, {})
    assert [("Hello", True, False), (None, False, True)] == [(item.text, item.edited, item.deleted) for item in items]
    said = [{key for key in ("edited", "deleted") if key in transcript_document(item)} for item in items]
    assert [{"edited"}, {"deleted"}] == said
    assert ["Hello", "oops"] == [item.text for item in transcript(facts, {}, with_deleted=True)]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_last_edit_counts_in_whatever_order_edits_arrive(order: tuple[int, ...]) -> None:
    facts = [
        fact("customer_turn", 1, text="one"),
        *(fact("customer_signal", 2 + n, text=text, type="edit", marks="wamid.1") for n, text in enumerate("abc")),
    ]
    [item] = transcript([facts[place] for place in order], {})
    assert ("c", True) == (item.text, item.edited)


def test_a_message_that_was_changed_in_another_conversation_is_shown_as_it_is_now() -> None:
    revoke = fact("customer_signal", 3000, type="revoke", marks="wamid.1")
    change = change_of(revoke)
    assert change is not None
    [item] = transcript([fact("customer_turn", 1, text="oops")], {}, dict([change]))
    assert (None, True) == (item.text, item.deleted)


def test_an_edit_whose_message_is_elsewhere_has_an_item_of_its_own_unless_the_message_was_deleted() -> None:
    edit = fact("customer_signal", 2, text="new words", type="edit", marks="wamid.elsewhere")
    assert [("edit", "new words")] == [(item.kind, item.text) for item in transcript([edit], {})]
    deleted = {"wamid.elsewhere": MessageChange(deleted=True)}
    assert [("edit", None)] == [(item.kind, item.text) for item in transcript([edit], {}, deleted)]


def test_each_line_of_a_group_says_who_wrote_it() -> None:
    ada, bea = ({"wa_id": f"39345000104{n}", "name": name, "group_id": "g"} for n, name in ((1, "Ada"), (2, "Bea")))
    items = transcript([fact("customer_turn", 1, customer=ada), fact("customer_turn", 2, customer=bea)], {})
    assert ["Ada 393450001041", "Bea 393450001042"] == list(senders(items, group=True).values())
    assert {"wa_id": "393450001041", "user_id": None, "name": "Ada"} == transcript_document(items[0])["sender"]


def test_after_a_merge_of_people_each_line_says_who_wrote_it() -> None:
    one, other, both = {"wa_id": "391"}, {"wa_id": "392", "name": "Bea"}, {"wa_id": "391", "user_id": "IT.1"}
    lines = [fact("customer_turn", n, customer=customer) for n, customer in enumerate((one, other, both), 1)]
    assert ["391", "Bea 392", "391"] == list(senders(transcript(lines, {}), group=False).values())
    assert {} == senders(transcript([lines[0], lines[2]], {}), group=False)


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
