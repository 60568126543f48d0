"""Unreadable parts of a body: each is separated from the rest, with a reason (webhooks.md)."""

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
def test_an_update_without_a_required_field_is_unreadable_alone(array: str, field: str, value: object) -> None:
    complete = MESSAGE | {"to": PHONE, "status": "read", "event": "connect", "direction": "USER_INITIATED"}
    incomplete = {key: part for key, part in complete.items() if key != field} | (
        {field: value} if value != "lost" else {}
    )
    result = reading("messages", META | {array: [complete, incomplete, complete]})
    assert (2, [f"{array}: {field} is missing or invalid"]) == (
        len(result.facts),
        [part.reason for part in result.unreadable],
    )


@pytest.mark.parametrize("array", ["messages", "statuses", "calls", "message_echoes"])
def test_an_update_without_a_business_number_is_unreadable(array: str) -> None:
    complete = MESSAGE | {"to": PHONE, "status": "read", "event": "connect"}
    assert reasons("messages", {array: [complete]}) == [f"{array}: metadata.phone_number_id is missing or invalid"]


@pytest.mark.parametrize("part", [None, {}, "x", 5, True])
def test_a_value_that_should_be_an_array_is_unreadable_alone(part: object) -> None:
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
        result = reading("messages", META | {array: part, other: [MESSAGE | {"status": "read"}]})
        assert (1, [f"{array}: not an array"]) == (len(result.facts), [part.reason for part in result.unreadable])


@pytest.mark.parametrize("part", [None, "x", 5, True, []])
def test_an_update_that_is_not_an_object_is_unreadable_alone(part: object) -> None:
    for array in ("messages", "statuses", "errors", "calls", "message_echoes", "user_preferences"):
        assert reasons("messages", META | {array: [part]}) == [f"{array}: not an object"]
    assert reasons("messages", META | {"standby": {"messages": [part]}}) == ["standby.messages: not an object"]
    assert reasons("history", META | {"history": [{"threads": [part]}]}) == ["history.threads: not an object"]
    assert reasons("messages", part) == ["messages: not an object"]
    assert reasons("messaging_handovers", part) == ["messaging_handovers: not an object"]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"entry": [5]}, "entry: not an object"),
        ({"entry": [{"id": "1"}]}, "changes: not an array"),
        ({"entry": [{"id": "1", "changes": {}}]}, "changes: not an array"),
        ({"entry": [{"id": "1", "changes": [5]}]}, "changes: not an object"),
        ({"entry": [{"id": "1", "changes": [{"value": {}}]}]}, "changes: field is missing or invalid"),
        ({"entry": [{"id": "1", "changes": [{"field": 5}]}]}, "changes: field is missing or invalid"),
    ],
)
def test_an_invalid_entry_or_change_is_unreadable_alone(document: Any, reason: str) -> None:
    document["entry"] += body("text")["entry"]
    result = read(json.dumps(document).encode(), RECEIVED)
    assert (1, [reason]) == (len(result.facts), [part.reason for part in result.unreadable])


def test_an_unreadable_update_has_everything_needed_to_read_it_after_a_fix() -> None:
    document = body("text_user_ids")
    value_of(document)["messages"][0]["timestamp"] = "soon"
    value_of(document)["contacts"].insert(0, {"wa_id": "1", "profile": {"name": "Other"}})
    (unreadable,) = read(json.dumps(document).encode(), RECEIVED).unreadable
    fixed = json.loads(unreadable.raw.replace(b"soon", AT.encode()))
    assert read(json.dumps(fixed).encode(), RECEIVED) == read(raw("text_user_ids"), RECEIVED)


def test_an_unreadable_update_has_a_body_of_its_own_with_its_context() -> None:
    value = META | {"contacts": [{"wa_id": PHONE, "profile": {"name": NAME}}], "errors": [], "messages": [MESSAGE, 5]}
    (unreadable,) = reading("messages", value, time=int(AT)).unreadable
    (status,) = reading("standby", META | {"standby": {"statuses": [{"id": "wamid.1"}]}}).unreadable
    assert json.loads(unreadable.raw) == {
        "object": "whatsapp_business_account",
        "entry": [
            {"id": ACCOUNT, "time": int(AT), "changes": [{"field": "messages", "value": META | {"messages": [5]}}]}
        ],
    }
    assert json.loads(status.raw)["entry"][0]["changes"] == [
        {"field": "standby", "value": META | {"standby": {"statuses": [{"id": "wamid.1"}]}}}
    ]


def test_a_body_without_entries_has_no_updates() -> None:
    without_entries = b'{"object":"whatsapp_business_account","entry":[]}'
    assert read(without_entries, RECEIVED) == BodyReading([], [])
    assert reading("messages", META | {"messages": [], "contacts": []}) == BodyReading([], [])


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"sender": {}}, "sender"),
        ({"timestamp": "soon"}, "timestamp"),
        ({"recipient": {}}, "metadata.phone_number_id"),
    ],
)
def test_an_escalation_without_customer_time_or_number_is_unreadable(more: dict[str, object], field: str) -> None:
    assert reasons("messaging_handovers", HANDOVER | more) == [f"messaging_handovers: {field} is missing or invalid"]
