"""Turns one update of a WhatsApp body into one fact. Each reader takes a change and an update (an object) of it, and
raises `UnusableUpdate` if a required field is missing or invalid (webhooks.md)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.facts import (
    CustomerIdentityChanged,
    CustomerSignal,
    CustomerTurn,
    Fact,
    HumanEcho,
    MessageStatus,
    Notice,
    Party,
    ThreadControlPassed,
)
from domain.ids import FactId, fact_id
from domain.inbound.json_body import Json, JsonObject, digest, identifier, moment, nested
from domain.inbound.reading import clamp
from domain.inbound.whatsapp.content import TURNS, marked_by, option_of, rest_of, text_of, unreadable_of
from domain.inbound.whatsapp.parties import Contacts, PartyRole
from domain.inbound.whatsapp.parts import parts_of, referral_of
from domain.phone_numbers import read_phone, split_ids

MAX_CALLBACK = 512
"""Longest callback data that Meta takes, in characters."""
_MAX_CODES = 10
STATUSES = frozenset({"sent", "delivered", "read", "played", "failed"})

_IDENTITY_CHANGES = frozenset({"user_changed_number", "user_changed_user_id", "customer_changed_number"})
"""Types of system messages that announce a customer's new identity; the last one is the name used until 2022."""


class UnusableUpdate(Exception):
    """A required field of an update is missing or invalid. The message is the field's name."""


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """The context of an update: the fields of its `entry` and `changes[]`. `arrivals`: the arrivals of the body's
    further updates. `time`: the entry's. `display`: the business number's phone."""

    received_at: datetime
    arrivals: Iterator[int]
    account_id: str
    time: datetime | None
    field: str
    number: str | None
    display: str | None
    contacts: Contacts

    @property
    def phone_number_id(self) -> str:
        """The business number's id. Raises UnusableUpdate."""
        if self.number is None:
            raise UnusableUpdate("metadata.phone_number_id")
        return self.number

    def times(self, sent_at: datetime) -> dict[str, Any]:
        """Returns the time fields of a fact."""
        return {"sent_at": sent_at, "at": clamp(sent_at, self.received_at), "arrival": next(self.arrivals)}


def message(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `messages[]`: a turn, a signal, or a customer's new identity."""
    kind = _required(item, "type")
    if kind == "system":
        return _system(change, item)
    head = _head(change, item, "message") | {"customer": _customer(change, item, "from")}
    if kind in TURNS:
        is_reply, option_id = option_of(kind, item)
        more: dict[str, Any] = {"is_reply": is_reply, "option_id": option_id, "referral": referral_of(item)}
        return CustomerTurn(**head, **_content(kind, item), **parts_of(kind, item), **more)
    unreadable = unreadable_of(kind, item)
    return CustomerSignal(**head, **_content(kind, item), marks=marked_by(kind, item), unreadable=unreadable)


def standby(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `standby.messages[]`: messages of the customer while Meta's AI agent has control. The AI's own answers
    become notices."""
    # The fact has an id of its own, so that the same message still counts when it arrives again in `messages[]`.
    sender = identifier(item, "from")
    if sender is not None and (read_phone(sender) or sender) == change.display:
        return spoken_by_ai(change, item)
    kind = _required(item, "type")
    head = _head(change, item, "standby") | {"customer": _customer(change, item, "from")}
    return CustomerSignal(**head, **_content(kind, item), marks=marked_by(kind, item), standby_turn=kind in TURNS)


def spoken_by_ai(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads a message that Meta's AI agent wrote to the customer: neither a turn nor a human answer."""
    return notice(change, "standby", item)


def echo(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `message_echoes[]`: a person of the company wrote from the phone app, or edited, deleted or reacted."""
    kind = _required(item, "type")
    head = _head(change, item, "message") | {"customer": _customer(change, item, "to")}
    # one without a kind may be an edit or a deletion: the customer must not be taken for answered because of it
    is_word = kind in TURNS or unreadable_of(kind, item) == "content"
    return HumanEcho(**head, **_content(kind, item), **parts_of(kind, item), is_word=is_word)


def call(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `calls[]`. The first event of a call that the customer started is a turn. All events of a call have its
    id."""
    event = _required(item, "event")
    head = _head(change, item, "call", event) | {"customer": _customer(change, item, role_of("calls", item))}
    content: dict[str, Any] = {"type": "call", "extra": rest_of("call", item)}
    if event == "connect" and item.get("direction") == "USER_INITIATED":
        return CustomerTurn(**head, **content)
    return CustomerSignal(**head, **content)


def status(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `statuses[]`: the delivery status of an outgoing message. An unknown status becomes a notice. The recipient
    is optional."""
    wamid, value = _required(item, "id"), _required(item, "status")
    sent_at = sent_at_of(item)
    recipient = identifier(item, "recipient_id") or identifier(item, "recipient_user_id") or ""
    key = fact_id("status", wamid, value, recipient)
    number, codes = change.phone_number_id, _error_codes(item)
    if value not in STATUSES:
        return notice(change, "statuses", item, key, sent_at)
    return MessageStatus(
        id=key,
        phone_number_id=number,
        **change.times(sent_at),
        wamid=wamid,
        recipient=recipient,
        status=value,
        code=next(iter(codes), None),
        codes=codes,
        recipient_user_id=identifier(item, "recipient_user_id"),
        pricing=nested(item, "pricing") or None,
        callback=_callback(item),
    )


def handover(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `messaging_handovers`: Meta's AI agent handed the customer over to people. Any other hand-over becomes a
    notice."""
    passed = nested(item, "control_passed")
    if item.get("type") != "control_passed" or passed.get("new_owner_role") != "escalation":
        return notice(change, "messaging_handovers", item)
    number = identifier(nested(item, "recipient"), "phone_number_id") or change.phone_number_id
    sender = nested(item, "sender")
    ids: JsonObject = {
        "from": identifier(sender, "wa_id") or identifier(sender, "phone_number"),
        "from_user_id": identifier(sender, "user_id"),
    }
    return ThreadControlPassed(
        id=fact_id("handover", number, digest(item)),
        phone_number_id=number,
        customer=_customer(change, ids, "from", "sender"),
        **change.times(sent_at_of(item)),
        extra=item,
    )


def error(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `errors[]`, next to the messages."""
    return notice(change, "errors", item)


def old_message(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `history`: a message of the last 180 days. Only archived; never counts as new."""
    wamid = identifier(item, "id")
    key = fact_id("history", change.number or "", wamid) if wamid else None
    return notice(change, "history", item, key)


def other(change: WebhookChange, body: Json) -> Fact:
    """Reads an update without a reader of its own: account fields, and fields that are new at Meta."""
    return notice(change, change.field, body)


def role_of(array: str, item: JsonObject) -> PartyRole:
    """Returns whether the customer is the sender or the recipient of an update."""
    if array == "calls":
        return "to" if item.get("direction") == "BUSINESS_INITIATED" else "from"
    return "to" if array == "message_echoes" else "from"


def _system(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads a system message: a customer's new identity, or a text. The sender is optional. Without any customer the
    message belongs to no conversation and becomes a notice."""
    head, content = _head(change, item, "message"), _content("system", item)
    if identifier(nested(item, "system"), "type") in _IDENTITY_CHANGES:
        was, becomes = _identity_change(item)
        if was and becomes:
            del content["type"]
            return CustomerIdentityChanged(**head, **content, customer=was, becomes=becomes)
        customer = was or becomes
    else:
        customer = change.contacts.party(item, "from")
    if customer is None:
        return notice(change, "messages", item, head["id"], head["sent_at"])
    return CustomerSignal(**head, **content, customer=customer)


def _identity_change(item: JsonObject) -> tuple[Party | None, Party | None]:
    """Returns the old and the new identity, each None if the message does not have it."""
    # Three generations of Meta's format: `new_wa_id`; then `customer` and `wa_id`, or only `from` and `wa_id`; now also
    # `previous_user_id` and `user_id`.
    system = nested(item, "system")
    wa_id, user_id = split_ids(identifier(system, "wa_id"), identifier(system, "user_id"))
    new_wa_id = identifier(system, "new_wa_id") or wa_id
    customer, previous = split_ids(identifier(system, "customer"), identifier(system, "previous_user_id"))
    sender, sender_user_id = split_ids(identifier(item, "from"), identifier(item, "from_user_id"))
    new_user_id = user_id or (sender_user_id if previous else None)
    old_wa_id = _first_other(new_wa_id, customer, sender, wa_id)
    old_user_id = _first_other(new_user_id, previous, sender_user_id)
    group_id = identifier(item, "group_id")
    return _party(old_wa_id, old_user_id, group_id), _party(new_wa_id, new_user_id, group_id)


def _first_other(than: str | None, *values: str | None) -> str | None:
    return next((value for value in values if value and value != than), None)


def _party(wa_id: str | None, user_id: str | None, group_id: str | None) -> Party | None:
    return Party(wa_id=wa_id, user_id=user_id, group_id=group_id) if wa_id or user_id else None


def _head(change: WebhookChange, item: JsonObject, *family: str) -> dict[str, Any]:
    """Returns the fields that all facts about messages have. `family`: the namespace of the fact's id."""
    wamid, number = _required(item, "id"), change.phone_number_id
    return {
        "id": fact_id(family[0], number, wamid, *family[1:]),
        "phone_number_id": number,
        "wamid": wamid,
        **change.times(sent_at_of(item)),
    }


def _content(kind: str, item: JsonObject) -> dict[str, Any]:
    return {"type": kind, "text": text_of(kind, item), "extra": rest_of(kind, item)}


def _customer(change: WebhookChange, item: JsonObject, role: PartyRole, field: str | None = None) -> Party:
    customer = change.contacts.party(item, role)
    if customer is None:
        raise UnusableUpdate(field or role)
    return customer


def _required(item: JsonObject, key: str) -> str:
    value = identifier(item, key)
    if value is None:
        raise UnusableUpdate(key)
    return value


def sent_at_of(item: JsonObject) -> datetime:
    """Returns the time of an update. Raises UnusableUpdate."""
    sent_at = moment(item.get("timestamp"))
    if sent_at is None:
        raise UnusableUpdate("timestamp")
    return sent_at


def _error_codes(item: JsonObject) -> tuple[int, ...]:
    """Returns Meta's error codes, each once, in their order."""
    errors = item.get("errors")
    found = [error.get("code") for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    return tuple(dict.fromkeys(c for c in found[:_MAX_CODES] if type(c) is int and abs(c) < 2**31))


def _callback(item: JsonObject) -> str | None:
    """Returns the callback data of the message, if they can be ours: longer ones never are."""
    value = item.get("biz_opaque_callback_data")
    return value if isinstance(value, str) and 0 < len(value) <= MAX_CALLBACK and "\x00" not in value else None


def notice(
    change: WebhookChange, field: str, body: Json, key: FactId | None = None, sent_at: datetime | None = None
) -> Notice:
    """Returns a notice. Its time is the update's, else the entry's, else the time of arrival. `key`: the fact's id;
    None for an update without an id of its own."""
    # Without an id, the fact's id is a hash of the content, so that a repeated update gets the same id.
    stated = sent_at or moment(body.get("timestamp") if isinstance(body, dict) else None) or change.time
    content = digest([str(change.time), body])
    return Notice(
        id=key or fact_id("notice", change.account_id, change.number or "", field, content),
        **change.times(stated or change.received_at),
        account_id=change.account_id,
        phone_number_id=change.number,
        field=field,
        body=body,
    )
