"""Helpers for CloudEvents of Softbot and the agent desktop."""

import json
from typing import Any

from tests.support.payloads import NUMBER, PHONE, SENT

TIME = SENT.isoformat()
SESSION = {"phone_number_id": NUMBER, "customer": {"wa_id": PHONE}, "session_id": "session-1"}


def event(type_: str, data: object, **attributes: object) -> dict[str, Any]:
    """Returns a CloudEvent. `type_`: the middle of its type, e.g. `softbot.choice.made`."""
    return {
        "specversion": "1.0",
        "id": "event-1",
        "source": "/tests",
        "type": f"witiop.{type_}.v1",
        "time": TIME,
        "data": data,
        **attributes,
    }


def encoded(events: object) -> bytes:
    """Returns the body of an event or a batch."""
    return json.dumps(events).encode()
