"""The customers of the stand-in: they answer what they get, and write when they are told to."""

import secrets
from datetime import UTC, datetime
from typing import Any

from infra.local.graph.accounts import digits_of
from infra.local.graph.checks.fields import object_of, optional_text, text_of
from infra.local.graph.checks.refusals import missing, wrong
from infra.local.graph.statuses import AcceptedMessage
from infra.local.simulator import bodies
from infra.local.simulator.bodies import BodyObject, SimulatedCustomer

REPLY_SECONDS = 1.0
"""How long a customer takes to answer after the message was read."""
_TEXT = "Thank you"


def reply_to(message: AcceptedMessage, how: str, at: float) -> BodyObject:
    """Returns a customer's answer, an element of `messages[]` that quotes the message. `how`: `text`, or `button` to
    press the first button or to choose the first row, if the message has any. `at`: seconds since 1970."""
    pressed = _first_choice(message) if how == "button" else None
    kind, content = pressed or ("text", {"body": _TEXT})
    context = {"from": digits_of(message.number), "id": message.wamid}
    return bodies.message(message.customer, new_wamid(), _time(at), kind, context=context, **{kind: content})


def told_to_write(order: dict[str, Any], at: float) -> tuple[str, SimulatedCustomer, BodyObject]:
    """Reads `{"phone_number_id", "wa_id" or "user_id", "name"?, "text" or "message"}`, where `message` is a whole
    object such as `{"type": "image", "image": {"id": "..."}}`. Returns the phone number id, the customer and the
    element of `messages[]`. Raises GraphRefusal."""
    number = text_of(order, "phone_number_id")
    customer = SimulatedCustomer(
        optional_text(order, "name") or "", optional_text(order, "wa_id"), optional_text(order, "user_id")
    )
    if customer.wa_id is None and customer.user_id is None:
        raise missing("wa_id")
    if not number.isdecimal():
        raise wrong("phone_number_id", "must be a number")
    if order.get("message") is None:
        content: dict[str, Any] = {"type": "text", "text": {"body": text_of(order, "text")}}
    else:
        content = dict(object_of(order, "message"))
    kind = text_of(content, "type", "message")
    content.pop("type")
    return number, customer, bodies.message(customer, new_wamid(), _time(at), kind, **content)


def new_wamid() -> str:
    """Returns the id of a new message of a customer."""
    return f"wamid.{secrets.token_urlsafe(24)}"


def _first_choice(message: AcceptedMessage) -> tuple[str, BodyObject] | None:
    if message.kind == "interactive" and message.content["type"] == "button":
        button = message.content["action"]["buttons"][0]["reply"]
        return "interactive", {"type": "button_reply", "button_reply": {"id": button["id"], "title": button["title"]}}
    if message.kind == "interactive":
        row = message.content["action"]["sections"][0]["rows"][0]
        return "interactive", {"type": "list_reply", "list_reply": {key: row[key] for key in row}}
    parts = message.content["components"] if message.kind == "template" else ()
    buttons = [button for part in parts if part["type"] == "BUTTONS" for button in part["buttons"]]
    texts = [button["text"] for button in buttons if button["type"] == "QUICK_REPLY"]
    return ("button", {"payload": texts[0], "text": texts[0]}) if texts else None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
