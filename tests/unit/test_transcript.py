"""The transcript of a conversation."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from domain.facts import FACT
from domain.ids import fact_id
from domain.transcript import Delivery, Entry, transcript

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def entry(kind: str, minute: int = 0, body: str | None = None, wamid: str | None = None, **detail: Any) -> Entry:
    return Entry(
        fact_id(kind, str(minute)), NOON + timedelta(minutes=minute), kind, wamid, body, {"kind": kind, **detail}
    )


def shown(*entries: Entry, **more: Any) -> list[tuple[object, object, object]]:
    return [(item["from"], item["kind"], item["text"]) for item in transcript(entries, {}, **more)]


def test_an_item_has_every_promised_key() -> None:
    hello = entry("customer_turn", 1, "Hello", "wamid.1", type="text")
    assert [
        {
            "id": str(hello.id),
            "at": "2026-07-01T12:01:00Z",
            "from": "customer",
            "kind": "text",
            "text": "Hello",
            "status": None,
        },
    ] == transcript([hello], {})


def test_it_reads_in_the_order_of_the_senders_times() -> None:
    entries = [entry("customer_turn", minute, f"{minute}", f"wamid.{minute}", type="text") for minute in (1, 2, 2, 3)]
    assert {("1", "2", "2", "3")} == {
        tuple(item["text"] for item in transcript(order, {})) for order in permutations(entries)
    }


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (entry("customer_turn", body="the menu", type="image"), ("customer", "image", "the menu")),
        (entry("customer_turn", type="location"), ("customer", "location", None)),
        (entry("customer_signal", body="👍", type="reaction"), ("customer", "reaction", "👍")),
        (entry("customer_signal", body="is now ...", type="system"), ("system", "system", "is now ...")),
        (entry("human_echo", body="I am here", type="text"), ("agent", "text", "I am here")),
        (entry("customer_identity_changed", body="changed"), ("system", "identity.changed", "changed")),
        (entry("thread_control_passed"), ("system", "thread_control.passed", None)),
        (entry("bot_session_started"), ("bot", "session.started", None)),
        (entry("bot_message", body="Hi"), ("bot", "text", "Hi")),
        (
            entry("bot_menu_shown", options=[{"id": "1", "title": "Sales"}, {"id": "2", "title": "Support"}]),
            ("bot", "menu.shown", "1 Sales\n2 Support"),
        ),
        (entry("bot_choice", option_id="1", skillset=None), ("bot", "choice.made", "1")),
        (entry("bot_handoff", skillset="sales"), ("bot", "handoff.requested", "sales")),
        (entry("bot_session_ended", outcome="timeout"), ("bot", "session.ended", "timeout")),
        (entry("agent_accepted"), ("agent", "conversation.accepted", None)),
        (entry("agent_message", body="Good morning"), ("agent", "text", "Good morning")),
        (entry("agent_declined", note="lunch"), ("agent", "conversation.declined", "lunch")),
        (entry("agent_closed", note=None), ("agent", "conversation.closed", None)),
        (entry("made_up_later", body="?"), ("system", "made_up_later", "?")),
    ],
)
def test_every_kind_of_fact_says_who_and_what(stored: Entry, expected: tuple[str, str, str | None]) -> None:
    assert [expected] == shown(stored)


def test_every_fact_of_a_conversation_has_a_speaker_of_its_own() -> None:
    elsewhere = {"message_status", "agent_presence_changed", "notice"}
    kinds = set(FACT.json_schema()["discriminator"]["mapping"]) - elsewhere
    details: dict[str, Any] = {"type": "text", "options": [], "option_id": "1", "skillset": "sales"}
    assert not [kind for kind in kinds if shown(entry(kind, **details)) == [("system", kind, None)]]


def test_a_message_that_was_edited_or_taken_back_stays_and_says_so() -> None:
    first = entry("customer_turn", 1, "Helo", "wamid.1", type="text")
    second = entry("customer_turn", 2, "oops", "wamid.2", type="text")
    edit = entry("customer_signal", 3, "Hello", "wamid.3", type="edit", marks="wamid.1")
    revoke = entry("customer_signal", 4, None, "wamid.4", type="revoke", marks="wamid.2")
    items = transcript([first, second, edit, revoke], {})
    expected = [(True, None), (None, True), (None, None), (None, None)]
    assert expected == [(item.get("edited"), item.get("deleted")) for item in items]


def test_a_message_that_was_taken_back_after_the_conversation_says_so() -> None:
    hello = entry("customer_turn", 1, "oops", "wamid.1", type="text")
    revoke = entry("customer_signal", 3000, None, "wamid.2", type="revoke", marks="wamid.1")
    [item] = transcript([hello], {}, [revoke])
    assert item["deleted"]


def test_a_customer_cannot_take_back_what_others_wrote() -> None:
    answer = entry("agent_message", 1, "Hello", "wamid.1", agent_id="anna")
    revoke = entry("customer_signal", 2, None, "wamid.2", type="revoke", marks="wamid.1")
    assert not any("deleted" in item for item in transcript([answer, revoke], {}))


def test_an_agents_item_names_the_agent() -> None:
    [item] = transcript([entry("agent_accepted", agent_id="anna")], {})
    assert item["agent_id"] == "anna"


def test_outgoing_messages_show_what_became_of_them_and_the_customers_do_not() -> None:
    entries = [
        entry("customer_turn", 0, "Hello", "wamid.1", type="text"),
        entry("bot_message", 1, "Hi", "wamid.2"),
        entry("agent_message", 2, "Hi", "wamid.3"),
        entry("human_echo", 3, "Hi", "wamid.4", type="text"),
        entry("bot_message", 4, "Hi"),
    ]
    read = Delivery(3, NOON, None)
    deliveries = {f"wamid.{n}": read for n in (1, 2, 4)}
    expected = [None, "read", None, "read", None]
    assert expected == [item["status"] for item in transcript(entries, deliveries)]


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
def test_a_failure_is_final_unless_a_later_success_proves_otherwise(
    rank: int, succeeded: int | None, failed: int | None, expected: str | None
) -> None:
    times = [None if minute is None else NOON + timedelta(minutes=minute) for minute in (succeeded, failed)]
    assert expected == Delivery(rank, *times).status
