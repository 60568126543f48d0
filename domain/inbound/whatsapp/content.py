"""The content of a WhatsApp message: the text that a person reads, the tapped option, and all other fields."""

import re
from collections.abc import Iterable
from typing import Literal

from domain.inbound.json_body import Json, JsonObject, identifier, nested, text

TURNS = frozenset(
    {"text", "image", "audio", "voice", "video", "document", "sticker", "location", "contacts"}
    | {"interactive", "button", "order"}
)
"""Message types in `messages[]` that count as a customer's turn (webhooks.md, What counts for a conversation)."""

_REPLIES = ("button_reply", "list_reply")
_TEXT_FIELDS = ("caption", "body", "text", "title", "emoji", "filename", "response", "name", "question")
"""Fields of a type's own object that may hold its text; the first non-empty one is used."""
_WITHOUT_KIND = frozenset({"unsupported", "unknown"})
_WITHOUT_CONTENT = frozenset(
    {"edit", "edited", "revoke", "revoked", "delete", "deleted", "pin", "pinned", "unpin", "keep", "kept", "unkeep"}
    | {"unpinned", "unkept", "recall", "recalled", "unsend", "unsent", "remove", "removed", "deletion", "disappearing"}
    | {"reaction", "reactions", "system", "protocol", "ephemeral", "welcome"}
)
"""Words in the names of kinds by which a customer says nothing new: `edit`, `pin_in_chat`, `keepInChat`,
`request_welcome`."""
_WORDS = re.compile("[A-Z]?[a-z]+|[A-Z]+")
_MAX_LISTED = 30
MAX_TEXT = 65_536
"""Longest text, in characters: 16 times what WhatsApp lets people write. `rest_of` has the untruncated text."""
_ENVELOPE = frozenset({"id", "type", "timestamp", "from", "from_user_id", "to", "to_user_id", "group_id"})


def text_of(kind: str, message: JsonObject) -> str | None:
    """Returns the text that a person reads in a message of this type; None if there is none, e.g. for a picture without
    caption."""
    full_text = _text(kind, message)
    return full_text and full_text[:MAX_TEXT]


def option_of(kind: str, message: JsonObject) -> tuple[bool, str | None]:
    """Returns whether a button or a list row was tapped, and its id, which we or a template assigned."""
    if kind == "button":
        return True, identifier(nested(message, "button"), "payload")
    interactive = nested(message, "interactive")
    reply = text(interactive, "type")
    if kind == "interactive" and reply in _REPLIES:
        return True, identifier(nested(interactive, reply), "id")
    return False, None


def marked_by(kind: str, message: JsonObject) -> str | None:
    """Returns the wamid of the message that an edit, a revoke or a reaction refers to."""
    key = {"edit": "original_message_id", "revoke": "original_message_id", "reaction": "message_id"}.get(kind)
    return identifier(nested(message, kind), key) if key else None


def unreadable_of(kind: str, message: JsonObject) -> Literal["content", "untyped"] | None:
    """Returns whether a message that is no turn carries content that WhatsApp does not pass on (a poll, an event, a
    picture to be seen once), or has no kind, so that it may. None: it carries none, like a reaction or an edit."""
    named: str | None = kind
    if kind in _WITHOUT_KIND:
        named = text(nested(message, kind), "type")
    words = set(_WORDS.findall(named)) if named else set()
    if not words or {word.lower() for word in words} <= _WITHOUT_KIND:
        return "untyped"
    return None if {word.lower() for word in words} & _WITHOUT_CONTENT else "content"


def rest_of(kind: str, message: JsonObject) -> JsonObject:
    """Returns all other fields of the message: media ids, context, referral, errors. The text of a plain text message
    is left out, because `text_of` has all of it."""
    rest = {key: value for key, value in message.items() if key not in _ENVELOPE}
    if kind == "text" and rest.get("text") == {"body": text_of(kind, message)}:
        del rest["text"]
    return rest


def _text(kind: str, message: JsonObject) -> str | None:
    match kind:
        case "location":
            return _place(nested(message, "location"))
        case "contacts":
            return _lines(_contact_name(contact) for contact in _objects(message.get("contacts")))
        case "interactive":
            interactive = nested(message, "interactive")
            return _first_text(nested(interactive, text(interactive, "type") or ""))
        case "order":
            order = nested(message, "order")
            return _lines([text(order, "text"), *(_ordered(item) for item in _objects(order.get("product_items")))])
        case "edit":
            edited = nested(nested(message, "edit"), "message")
            return _text(text(edited, "type") or "", edited)
        case _:
            return _first_text(nested(message, kind))


def _first_text(inner: JsonObject) -> str | None:
    return next((value for key in _TEXT_FIELDS if (value := text(inner, key))), None)


def _place(location: JsonObject) -> str | None:
    names = [value for key in ("name", "address") if (value := text(location, key))]
    if names:
        return ", ".join(names)
    degrees = [location.get("latitude"), location.get("longitude")]
    return ", ".join(map(str, degrees)) if all(type(value) in (int, float) for value in degrees) else None


def _contact_name(contact: JsonObject) -> str | None:
    name = nested(contact, "name")
    if formatted := text(name, "formatted_name"):
        return formatted
    parts = [part for key in ("first_name", "last_name") if (part := text(name, key))]
    if parts:
        return " ".join(parts)
    return next((number for phone in _objects(contact.get("phones")) if (number := text(phone, "phone"))), None)


def _ordered(item: JsonObject) -> str | None:
    product, quantity = text(item, "product_retailer_id"), item.get("quantity")
    return f"{quantity} × {product}" if product and type(quantity) in (int, float, str) else product


def _objects(value: Json) -> list[JsonObject]:
    return [item for item in value[:_MAX_LISTED] if isinstance(item, dict)] if isinstance(value, list) else []


def _lines(lines: Iterable[str | None]) -> str | None:
    return "\n".join(line for line in lines if line) or None
