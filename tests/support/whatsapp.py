"""Helpers for bodies with one change, e.g. `facts("messages", {"messages": [MESSAGE]})` reads one into its facts."""

import json
from collections.abc import Mapping
from typing import Any

from domain.facts import Fact
from domain.inbound.reading import BodyReading
from domain.inbound.whatsapp.reader import read
from tests.support.payloads import ACCOUNT, NUMBER, PHONE, RECEIVED, SENT, SHOWN

AT = str(int(SENT.timestamp()))
MESSAGE = {"from": PHONE, "id": "wamid.1", "timestamp": AT, "type": "text", "text": {"body": "Hello"}}
META = {"metadata": {"phone_number_id": NUMBER, "display_phone_number": SHOWN}}
HANDOVER = {
    "sender": {"phone_number": "+44 7700 900001"},
    "recipient": {"phone_number_id": NUMBER},
    "type": "control_passed",
    "timestamp": AT,
    "control_passed": {"new_owner_role": "escalation"},
}
"""Meta's AI agent hands a customer over."""

TURNS = [
    *("text", "image", "audio", "voice", "video", "document", "sticker"),
    *("location", "contacts", "interactive", "button", "order"),
]
SIGNALS = ["reaction", "unsupported", "edit", "revoke", "unknown", "poll", "request_welcome", "call", "something_new"]
"""Types of messages that count as a turn, and some that do not."""


def reading(field: str, value: object, **entry: object) -> BodyReading:
    """Reads a body with one change."""
    change = {"field": field, "value": value}
    return read(json.dumps({"entry": [{"id": ACCOUNT, "changes": [change], **entry}]}).encode(), RECEIVED)


def facts(field: str, value: Mapping[str, Any], **entry: object) -> list[Fact]:
    result = reading(field, {**META, **value}, **entry)
    assert list(result.unreadable) == []
    return list(result.facts)


def message(**more: object) -> Any:
    """Returns the one fact of a message. Fields that are None are left out of the message."""
    item = {key: part for key, part in (MESSAGE | more).items() if part is not None}
    (fact,) = facts("messages", {"messages": [item]})
    return fact


def reasons(field: str, value: object) -> list[str]:
    """Returns the reasons of a change's unreadable parts."""
    return [part.reason for part in reading(field, value).unreadable]
