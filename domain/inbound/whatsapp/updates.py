"""One update of a WhatsApp body -> one fact. Every reader here takes the change an update came in and the update, an
object, and raises `UnusableUpdate` when something is missing that nobody can do without (webhooks.md)."""

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
from domain.inbound.whatsapp.content import TURNS, marked_by, option_of, rest_of, text_of
from domain.inbound.whatsapp.parties import Contacts, PartyRole
from domain.phone_numbers import split_ids, wa_id_of

STATUSES = frozenset({"sent", "delivered", "read", "played", "failed"})

_IDENTITY_CHANGES = frozenset({"user_changed_number", "user_changed_user_id", "customer_changed_number"})
"""Types of a system message that say who a customer is now; the last is the name it had until 2022."""


class UnusableUpdate(Exception):
    """An update that lacks what it cannot do without; the message names the field."""


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """Where an update stood: what `entry` and `changes[]` say about everything in it. `time`: the entry's; `display`:
    the number as people write it, its digits."""

    received_at: datetime
    account_id: str
    time: datetime | None
    field: str
    number: str | None
    display: str | None
    contacts: Contacts

    @property
    def phone_number_id(self) -> str:
        if self.number is None:
            raise UnusableUpdate("metadata.phone_number_id")
        return self.number

    def times(self, sent_at: datetime) -> dict[str, Any]:
        return {"sent_at": sent_at, "at": clamp(sent_at, self.received_at)}


def message(change: WebhookChange, item: JsonObject) -> Fact:
    """`messages[]`: a turn, a signal, or a customer's new identity."""
    kind = _required(item, "type")
    if kind == "system":
        return _system(change, item)
    head = _head(change, item, "message") | {"customer": _customer(change, item, "from")}
    if kind in TURNS:
        is_reply, option_id = option_of(kind, item)
        return CustomerTurn(**head, **_content(kind, item), is_reply=is_reply, option_id=option_id)
    return CustomerSignal(**head, **_content(kind, item), marks=marked_by(kind, item))


def standby(change: WebhookChange, item: JsonObject) -> Fact:
    """`standby.messages[]`: what the customer wrote while Meta's own AI holds the thread, under an id of its own, so
    that the same message counts when it comes again as ours; what the AI answered is a notice."""
    sender = identifier(item, "from")
    if sender is not None and sender == change.display:
        return spoken_by_ai(change, item)
    kind = _required(item, "type")
    head = _head(change, item, "standby") | {"customer": _customer(change, item, "from")}
    return CustomerSignal(**head, **_content(kind, item), marks=marked_by(kind, item), standby_turn=kind in TURNS)


def spoken_by_ai(change: WebhookChange, item: JsonObject) -> Fact:
    """What Meta's AI wrote to the customer: no human touch, no turn."""
    return _notice(change, "standby", item)


def echo(change: WebhookChange, item: JsonObject) -> Fact:
    """`message_echoes[]`: somebody wrote from the phone app."""
    kind = _required(item, "type")
    head = _head(change, item, "message") | {"customer": _customer(change, item, "to")}
    return HumanEcho(**head, **_content(kind, item))


def call(change: WebhookChange, item: JsonObject) -> Fact:
    """`calls[]`: the first event of a call that the customer started is a turn. A call's events share its id."""
    event = _required(item, "event")
    head = _head(change, item, "call", event) | {"customer": _customer(change, item, role_of("calls", item))}
    content: dict[str, Any] = {"type": "call", "extra": rest_of("call", item)}
    if event == "connect" and item.get("direction") == "USER_INITIATED":
        return CustomerTurn(**head, **content)
    return CustomerSignal(**head, **content)


def status(change: WebhookChange, item: JsonObject) -> Fact:
    """`statuses[]`: what became of an outgoing message; a value we do not know is a notice. It needs no recipient."""
    wamid, value = _required(item, "id"), _required(item, "status")
    sent_at = _sent_at(item)
    recipient = identifier(item, "recipient_id") or identifier(item, "recipient_user_id") or ""
    key = fact_id("status", wamid, value, recipient)
    number = change.phone_number_id
    if value not in STATUSES:
        return _notice(change, "statuses", item, key, sent_at)
    return MessageStatus(
        id=key,
        phone_number_id=number,
        **change.times(sent_at),
        wamid=wamid,
        recipient=recipient,
        status=value,
        code=_error_code(item),
    )


def handover(change: WebhookChange, item: JsonObject) -> Fact:
    """`messaging_handovers`: Meta's AI passed the customer to people; every other hand-over is a notice."""
    passed = nested(item, "control_passed")
    if item.get("type") != "control_passed" or passed.get("new_owner_role") != "escalation":
        return _notice(change, "messaging_handovers", item)
    number = identifier(nested(item, "recipient"), "phone_number_id") or change.phone_number_id
    sender = nested(item, "sender")
    who: JsonObject = {
        "from": identifier(sender, "wa_id") or wa_id_of(identifier(sender, "phone_number")),
        "from_user_id": identifier(sender, "user_id"),
    }
    return ThreadControlPassed(
        id=fact_id("handover", number, digest(item)),
        phone_number_id=number,
        customer=_customer(change, who, "from", "sender"),
        **change.times(_sent_at(item)),
        extra=item,
    )


def error(change: WebhookChange, item: JsonObject) -> Fact:
    """`errors[]` beside the messages."""
    return _notice(change, "errors", item)


def preference(change: WebhookChange, item: JsonObject) -> Fact:
    """`user_preferences[]`: a customer stops or resumes marketing."""
    return _notice(change, "user_preferences", item, sent_at=_sent_at(item))


def old_message(change: WebhookChange, item: JsonObject) -> Fact:
    """`history`: a message of the last 180 days, for the archive and never new."""
    wamid = identifier(item, "id")
    key = fact_id("history", change.number or "", wamid) if wamid else None
    return _notice(change, "history", item, key)


def other(change: WebhookChange, body: Json) -> Fact:
    """What has no reader of its own: account fields, and whatever is new."""
    return _notice(change, change.field, body)


def role_of(array: str, item: JsonObject) -> PartyRole:
    """On which side of an update the customer stands."""
    if array == "calls":
        return "to" if item.get("direction") == "BUSINESS_INITIATED" else "from"
    return "to" if array == "message_echoes" else "from"


def _system(change: WebhookChange, item: JsonObject) -> Fact:
    """A system message: who the customer is now, or something to read. It needs no sender; one that names nobody
    belongs to no conversation."""
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
        return _notice(change, "messages", item, head["id"], head["sent_at"])
    return CustomerSignal(**head, **content, customer=customer)


def _identity_change(item: JsonObject) -> tuple[Party | None, Party | None]:
    """Who it was and who it is now, each None if the message does not say. Shapes of three years: `new_wa_id`; then
    `customer` and `wa_id`, or only `from` and `wa_id`; now `previous_user_id` and `user_id` too."""
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
    """What every fact about a message has. `family`: what its id is unique in."""
    wamid, number = _required(item, "id"), change.phone_number_id
    return {
        "id": fact_id(family[0], number, wamid, *family[1:]),
        "phone_number_id": number,
        "wamid": wamid,
        **change.times(_sent_at(item)),
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


def _sent_at(item: JsonObject) -> datetime:
    sent_at = moment(item.get("timestamp"))
    if sent_at is None:
        raise UnusableUpdate("timestamp")
    return sent_at


def _error_code(item: JsonObject) -> int | None:
    errors = item.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    code = first.get("code") if isinstance(first, dict) else None
    return code if type(code) is int and abs(code) < 2**31 else None


def _notice(
    change: WebhookChange, field: str, body: Json, key: FactId | None = None, sent_at: datetime | None = None
) -> Notice:
    """`key`: None for what has no id of its own; the hash of its content then, so that a retry meets itself. Its time
    is its own, else the entry's, else its arrival."""
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
