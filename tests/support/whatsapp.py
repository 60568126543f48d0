"""Bodies written short: `facts("messages", {"messages": [MESSAGE]})` is what stands in one change."""

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
"""Meta's AI gives up on a customer."""

TURNS = [
    *("text", "image", "audio", "voice", "video", "document", "sticker"),
    *("location", "contacts", "interactive", "button", "order"),
]
SIGNALS = ["reaction", "unsupported", "edit", "revoke", "unknown", "poll", "request_welcome", "call", "something_new"]
"""Types of messages that count as a turn, and some that do not."""


def reading(field: str, value: object, **entry: object) -> BodyReading:
    """What stands in a body of one change."""
    change = {"field": field, "value": value}
    return read(json.dumps({"entry": [{"id": ACCOUNT, "changes": [change], **entry}]}).encode(), RECEIVED)


def facts(field: str, value: Mapping[str, Any], **entry: object) -> list[Fact]:
    found = reading(field, {**META, **value}, **entry)
    assert list(found.unreadable) == []
    return list(found.facts)


def message(**more: object) -> Any:
    """The one fact of a message; without what is None."""
    item = {key: part for key, part in (MESSAGE | more).items() if part is not None}
    (fact,) = facts("messages", {"messages": [item]})
    return fact


def reasons(field: str, value: object) -> list[str]:
    """Why what is set aside of a change is set aside."""
    return [aside.reason for aside in reading(field, value).unreadable]
