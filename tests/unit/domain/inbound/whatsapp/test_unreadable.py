"""What is set aside, always alone, and why (webhooks.md)."""

import json
from typing import Any

import pytest

from domain.inbound.reading import BodyReading
from domain.inbound.whatsapp.reader import read
from tests.support.payloads import ACCOUNT, NAME, PHONE, RECEIVED, body, raw, value_of
from tests.support.whatsapp import AT, HANDOVER, MESSAGE, META, reading, reasons


@pytest.mark.parametrize(
    ("array", "field"),
    [
        ("messages", "id"),
        ("messages", "type"),
        ("messages", "timestamp"),
        ("statuses", "id"),
        ("statuses", "status"),
        ("statuses", "timestamp"),
        ("calls", "id"),
        ("calls", "event"),
        ("calls", "from"),
        ("calls", "timestamp"),
        ("message_echoes", "id"),
        ("message_echoes", "type"),
        ("message_echoes", "to"),
        ("message_echoes", "timestamp"),
        ("user_preferences", "timestamp"),
    ],
)
@pytest.mark.parametrize("value", ["lost", None, "", True, 5.5, [], {}])
def test_an_update_without_what_it_cannot_do_without_is_set_aside_alone(array: str, field: str, value: object) -> None:
    whole = MESSAGE | {"to": PHONE, "status": "read", "event": "connect", "direction": "USER_INITIATED"}
    lacking = {key: part for key, part in whole.items() if key != field} | ({field: value} if value != "lost" else {})
    found = reading("messages", META | {array: [whole, lacking, whole]})
    assert (2, [f"{array}: {field}"]) == (len(found.facts), [aside.reason for aside in found.unreadable])


@pytest.mark.parametrize("array", ["messages", "statuses", "calls", "message_echoes"])
def test_an_update_of_no_number_is_set_aside(array: str) -> None:
    whole = MESSAGE | {"to": PHONE, "status": "read", "event": "connect"}
    assert reasons("messages", {array: [whole]}) == [f"{array}: metadata.phone_number_id"]


@pytest.mark.parametrize("part", [None, {}, "x", 5, True])
def test_an_array_that_is_no_array_is_set_aside_alone(part: object) -> None:
    for array in (
        "messages",
        "statuses",
        "errors",
        "calls",
        "message_echoes",
        "user_preferences",
        "contacts",
        "history",
    ):
        other = "statuses" if array == "messages" else "messages"
        found = reading("messages", META | {array: part, other: [MESSAGE | {"status": "read"}]})
        assert (1, [f"{array}: no array"]) == (len(found.facts), [aside.reason for aside in found.unreadable])


@pytest.mark.parametrize("part", [None, "x", 5, True, []])
def test_an_update_that_is_no_object_is_set_aside_alone(part: object) -> None:
    for array in ("messages", "statuses", "errors", "calls", "message_echoes", "user_preferences"):
        assert reasons("messages", META | {array: [part]}) == [f"{array}: no object"]
    assert reasons("messages", META | {"standby": {"messages": [part]}}) == ["standby.messages: no object"]
    assert reasons("history", META | {"history": [{"threads": [part]}]}) == ["history.threads: no object"]
    assert reasons("messages", part) == ["messages: no object"]
    assert reasons("messaging_handovers", part) == ["messaging_handovers: no object"]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"entry": [5]}, "entry: no object"),
        ({"entry": [{"id": "1"}]}, "changes: no array"),
        ({"entry": [{"id": "1", "changes": {}}]}, "changes: no array"),
        ({"entry": [{"id": "1", "changes": [5]}]}, "changes: no object"),
        ({"entry": [{"id": "1", "changes": [{"value": {}}]}]}, "changes: field"),
        ({"entry": [{"id": "1", "changes": [{"field": 5}]}]}, "changes: field"),
    ],
)
def test_what_surrounds_an_update_and_cannot_be_read_is_set_aside_alone(document: Any, reason: str) -> None:
    document["entry"] += body("text")["entry"]
    found = read(json.dumps(document).encode(), RECEIVED)
    assert (1, [reason]) == (len(found.facts), [aside.reason for aside in found.unreadable])


def test_a_set_aside_update_keeps_what_is_needed_to_read_it_once_it_can_be() -> None:
    document = body("text_user_ids")
    value_of(document)["messages"][0]["timestamp"] = "soon"
    value_of(document)["contacts"].insert(0, {"wa_id": "1", "profile": {"name": "Other"}})
    (aside,) = read(json.dumps(document).encode(), RECEIVED).unreadable
    cured = json.loads(aside.raw.replace(b"soon", AT.encode()))
    assert read(json.dumps(cured).encode(), RECEIVED) == read(raw("text_user_ids"), RECEIVED)


def test_a_set_aside_update_is_a_body_of_its_own_with_all_that_speaks_about_it() -> None:
    value = META | {"contacts": [{"wa_id": PHONE, "profile": {"name": NAME}}], "errors": [], "messages": [MESSAGE, 5]}
    (aside,) = reading("messages", value, time=int(AT)).unreadable
    (status,) = reading("standby", META | {"standby": {"statuses": [{"id": "wamid.1"}]}}).unreadable
    assert json.loads(aside.raw) == {
        "object": "whatsapp_business_account",
        "entry": [
            {"id": ACCOUNT, "time": int(AT), "changes": [{"field": "messages", "value": META | {"messages": [5]}}]}
        ],
    }
    assert json.loads(status.raw)["entry"][0]["changes"] == [
        {"field": "standby", "value": META | {"standby": {"statuses": [{"id": "wamid.1"}]}}}
    ]


def test_a_body_without_entries_holds_nothing() -> None:
    body_of_the_vector = b'{"object":"whatsapp_business_account","entry":[]}'
    assert read(body_of_the_vector, RECEIVED) == BodyReading([], [])
    assert reading("messages", META | {"messages": [], "contacts": []}) == BodyReading([], [])


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"sender": {}}, "sender"),
        ({"timestamp": "soon"}, "timestamp"),
        ({"recipient": {}}, "metadata.phone_number_id"),
    ],
)
def test_an_escalation_that_does_not_say_who_or_when_is_set_aside(more: dict[str, object], reason: str) -> None:
    assert reasons("messaging_handovers", HANDOVER | more) == [f"messaging_handovers: {reason}"]
