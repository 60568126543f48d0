"""Messages: their kinds of facts and their texts (webhooks.md, What counts for a conversation)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.facts import (
    CustomerSignal,
    CustomerTurn,
)
from domain.ids import fact_id
from domain.inbound.reading import CLOCK_TOLERANCE
from tests.support.payloads import NUMBER, PHONE, RECEIVED, SENT
from tests.support.whatsapp import AT, MESSAGE, SIGNALS, TURNS, facts, message


@pytest.mark.parametrize("kind", TURNS)
def test_a_message_of_a_turn_type_is_a_turn_even_without_its_object(kind: str) -> None:
    turn = message(type=kind, text=None)
    assert isinstance(turn, CustomerTurn)
    assert (kind, None, {}) == (turn.type, turn.text, turn.extra)


@pytest.mark.parametrize("kind", SIGNALS)
def test_a_message_of_another_type_is_a_signal(kind: str) -> None:
    signal = message(type=kind, text=None)
    assert isinstance(signal, CustomerSignal)
    assert (kind, None, None, False) == (signal.type, signal.text, signal.marks, signal.standby_turn)


@pytest.mark.parametrize(
    ("kind", "item", "text"),
    [
        ("text", {"text": {"body": "Hi"}}, "Hi"),
        ("text", {"text": {"body": True}}, None),
        ("text", {"text": "Hi"}, None),
        ("image", {"image": {"caption": "", "id": "1"}}, None),
        ("document", {"document": {"filename": "a.pdf"}}, "a.pdf"),
        ("location", {"location": {"name": "Here"}}, "Here"),
        ("location", {"location": {"latitude": 45.5, "longitude": -7}}, "45.5, -7"),
        ("location", {"location": {"latitude": "45", "longitude": True}}, None),
        ("contacts", {"contacts": [{"name": {"first_name": "A", "last_name": "B"}}]}, "A B"),
        ("contacts", {"contacts": [{"phones": [{"phone": "+44 1"}]}, 5, {}]}, "+44 1"),
        ("contacts", {"contacts": [{"name": {"formatted_name": n}} for n in ("A", "B")]}, "A\nB"),
        ("contacts", {"contacts": {"name": "A"}}, None),
        ("order", {"order": {"product_items": [{"product_retailer_id": "cup"}]}}, "cup"),
        ("order", {"order": {"product_items": [{"product_retailer_id": "cup", "quantity": "2"}, 5]}}, "2 × cup"),
        ("order", {"order": {"text": "Please", "product_items": None}}, "Please"),
        ("button", {"button": {"text": "Yes"}}, "Yes"),
        ("interactive", {"interactive": {"type": "nfm_reply", "nfm_reply": {"response_json": "{"}}}, None),
        ("interactive", {"interactive": {"type": "new_reply", "new_reply": {"title": "New"}}}, "New"),
        ("interactive", {"interactive": {"type": 5, "button_reply": {"title": "A"}}}, None),
        ("reaction", {"reaction": {"emoji": "🎉"}}, "🎉"),
        ("edit", {"edit": {"message": {"type": "text", "text": {"body": "New"}}}}, "New"),
        ("edit", {"edit": {"message": {"type": 5, "text": {"body": "New"}}}}, None),
        ("poll", {"poll": {"title": "Which day?"}}, "Which day?"),
    ],
)
def test_the_text_is_what_a_person_reads(kind: str, item: dict[str, object], text: str | None) -> None:
    fact = message(type=kind, **{"text": None} | item)
    assert text == fact.text


@pytest.mark.parametrize(
    ("kind", "item", "option"),
    [
        ("button", {"button": {"payload": "yes", "text": "Yes"}}, (True, "yes")),
        ("button", {"button": {"text": "Yes"}}, (True, None)),
        ("button", {}, (True, None)),
        ("interactive", {"interactive": {"type": "button_reply", "button_reply": {"id": "1"}}}, (True, "1")),
        ("interactive", {"interactive": {"type": "list_reply", "list_reply": {"id": 1}}}, (True, None)),
        ("interactive", {"interactive": {"type": "list_reply"}}, (True, None)),
        ("interactive", {"interactive": {"type": "nfm_reply", "nfm_reply": {"id": "1"}}}, (False, None)),
        ("interactive", {"interactive": None}, (False, None)),
        ("text", {"text": {"body": "1"}, "button": {"payload": "1"}}, (False, None)),
    ],
)
def test_only_a_tapped_button_or_row_is_a_reply(
    kind: str, item: dict[str, object], option: tuple[bool, str | None]
) -> None:
    turn = message(type=kind, **item)
    assert option == (turn.is_reply, turn.option_id)


@pytest.mark.parametrize(
    ("item", "unreadable"),
    [
        *(
            ({"type": "unsupported", "unsupported": {"type": kind}}, "content")
            for kind in ("poll", "event", "view_once", "viewOnceMessage", "video_note", "POLL_CREATION", "group_invite")
        ),
        *(
            ({"type": "unsupported", "unsupported": {"type": kind}}, None)
            for kind in (
                "edit",
                "revoke",
                "pin",
                "pin_in_chat",
                "keepInChat",
                "unpin",
                "message_edit",
                "reaction",
                "unpinned",
                "recalled",
            )
        ),
        *(
            ({"type": kind, **more}, "untyped")
            for kind in ("unsupported", "unknown")
            for more in ({kind: part} for part in (None, {}, {"type": "unknown"}, {"type": 5}))
        ),
        ({"type": "poll", "poll": {"name": "Pizza or pasta?"}}, "content"),
        ({"type": "something_new"}, "content"),
        *(({"type": kind}, None) for kind in ("edit", "revoke", "reaction", "request_welcome", "pin", "keep_in_chat")),
    ],
)
def test_a_message_that_is_not_passed_on_carries_content_unless_its_kind_says_otherwise(
    item: dict[str, Any], unreadable: str | None
) -> None:
    signal = message(**(item | {"text": None}))
    assert (CustomerSignal, unreadable) == (type(signal), signal.unreadable)


@pytest.mark.parametrize("kind", ["edit", "revoke"])
def test_an_edit_and_a_revoke_refer_to_their_message(kind: str) -> None:
    assert message(type=kind, **{kind: {"original_message_id": "wamid.0"}}).marks == "wamid.0"
    assert message(type=kind, **{kind: {"original_message_id": 5}}).marks is None


def test_all_other_fields_of_a_message_are_preserved() -> None:
    assert message(errors=[{"code": 1}], context={"id": "wamid.0"}).extra == {
        "errors": [{"code": 1}],
        "context": {"id": "wamid.0"},
    }
    assert message(text={"body": "Hello", "preview_url": True}).extra == {
        "text": {"body": "Hello", "preview_url": True}
    }


@pytest.mark.parametrize(
    ("stamp", "sent_at"),
    [
        (AT, SENT),
        (int(AT), SENT),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("253402300799", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_the_time_is_the_senders_but_at_most_five_minutes_after_arrival(stamp: object, sent_at: datetime) -> None:
    turn = message(timestamp=stamp)
    assert (sent_at, min(sent_at, RECEIVED + timedelta(minutes=5))) == (turn.sent_at, turn.at)


def test_a_time_slightly_ahead_is_accepted() -> None:
    ahead = RECEIVED + CLOCK_TOLERANCE
    assert message(timestamp=str(int(ahead.timestamp()))).at == ahead
    assert message(timestamp=str(int(ahead.timestamp()) + 1)).at == ahead


def test_a_messages_id_depends_on_its_number_and_wamid() -> None:
    assert message().id == fact_id("message", NUMBER, "wamid.1") == message(timestamp="5", type="image").id


def test_updates_of_different_kinds_have_different_ids() -> None:
    item = MESSAGE | {"to": PHONE, "status": "message", "event": "message"}
    found = [
        fact.id
        for field, value in (
            ("messages", {"messages": [item], "statuses": [item], "calls": [item]}),
            ("standby", {"messages": [item]}),
            ("history", {"messages": [item]}),
        )
        for fact in facts(field, value)
    ]
    assert len(found) == len(set(found)) == 5
