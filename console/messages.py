"""Messages as people read them: the icon and the name of a kind that is not text, with what Meta tells about it."""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from console.request import translated, words
from console.words import phone
from domain.contract.texts import gettext_noop


class ShownMessage(NamedTuple):
    """A message. `icon`: of `icons.html`, without its `i-`; `name`: the kind and its details. Both are empty for a
    text."""

    icon: str
    name: str
    text: str


_KINDS = {
    "image": ("photo", gettext_noop("Photo")),
    "video": ("video", gettext_noop("Video")),
    "audio": ("voice", gettext_noop("Audio")),
    "voice": ("voice", gettext_noop("Voice message")),
    "document": ("document", gettext_noop("Document")),
    "sticker": ("sticker", gettext_noop("Sticker")),
    "location": ("place", gettext_noop("Location")),
    "contacts": ("contact", gettext_noop("Contact")),
    "order": ("order", gettext_noop("Order")),
    "reaction": ("sticker", gettext_noop("Reaction")),
    "edit": ("document", gettext_noop("Edited a message")),
    "revoke": ("close", gettext_noop("Deleted a message")),
    "deleted": ("close", gettext_noop("Deleted by the customer")),
    "interactive": ("closed", gettext_noop("Choice")),
    "button": ("closed", gettext_noop("Choice")),
    "template": ("document", gettext_noop("Template")),
    "call": ("call", gettext_noop("Call")),
    "unsupported": ("unknown", gettext_noop("Unsupported message")),
}
"""Kind of message -> icon and name."""
_MOST_LISTED = 30


def shown_message(kind: str, text: str | None, extra: Mapping[str, Any]) -> ShownMessage:
    """A message of this kind. `extra`: the rest of it (`domain.facts.CustomerTurn`); whatever in it is not as Meta
    documents it is left out."""
    if kind == "text":
        return ShownMessage("", "", text or "")
    own = extra.get(kind)
    content = own if isinstance(own, Mapping) else {}
    icon, name = _KINDS.get("voice" if content.get("voice") is True else kind, ("unknown", kind))
    shown, said = translated(name), text or ""
    match kind:
        case "audio" | "voice" | "video":
            if length := _length(content.get("duration")):
                shown = f"{shown}, {length}"
        case "document":
            filename = content.get("filename")
            if isinstance(filename, str) and filename:
                shown, said = f"{shown}, {filename}", "" if said == filename else said
        case "contacts":
            said = "\n".join(_contacts(extra.get("contacts"))) or said
        case "order":
            said = "\n".join(filter(None, (said, _total(content.get("product_items")))))
    return ShownMessage(icon, shown, said)


def _length(seconds: object) -> str:
    """The length of a recording, e.g. 0:41; empty if it is not known. Meta does not report it; some providers do."""
    if type(seconds) not in (int, float) or not 0 < seconds < 86_400:  # type: ignore[operator]  # a number
        return ""
    minutes, rest = divmod(round(seconds), 60)  # type: ignore[call-overload]
    return f"{minutes}:{rest:02}"


def _contacts(cards: object) -> Iterator[str]:
    """A line for each contact card: the name and the phones."""
    for card in _objects(cards):
        name = card.get("name")
        full = name.get("formatted_name") if isinstance(name, Mapping) else None
        phones = [each.get("wa_id") or each.get("phone") for each in _objects(card.get("phones"))]
        known = [phone(each) if each.isdigit() else each for each in phones if isinstance(each, str)]
        if line := ", ".join(each for each in (full, *known) if isinstance(each, str) and each):
            yield line


def _total(items: object) -> str:
    """What an order costs; empty if an item has no price, or if there are several currencies."""
    total, currencies = Decimal(), set[str]()
    for item in _objects(items):
        try:
            total += Decimal(str(item["item_price"])) * Decimal(str(item["quantity"]))
            currencies.add(str(item["currency"]))
        except (KeyError, InvalidOperation):
            return ""
    if len(currencies) != 1 or not total.is_finite():
        return ""
    return translated(gettext_noop("Total: %(sum)s")) % {"sum": words().money(total, currencies.pop())}


def _objects(value: object) -> list[Mapping[str, Any]]:
    listed = value[:_MOST_LISTED] if isinstance(value, list) else []
    return [each for each in listed if isinstance(each, Mapping)]
