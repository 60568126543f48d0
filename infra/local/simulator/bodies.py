"""Bodies in the formats of Meta, Softbot and the agent desktop, and signatures (webhooks.md; interface.md, *HTTP
in*)."""

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

BodyObject = dict[str, Any]
"""A JSON object."""

WebhookSource = Literal["whatsapp", "softbot", "agents"]
"""A sender: the last part of its webhook's path."""

CloudEventSource = Literal["softbot", "agents"]
"""A sender of CloudEvents."""


@dataclass(frozen=True, slots=True)
class BusinessNumber:
    """A business number. `display`: as people write it. `account_id`: the WhatsApp business account."""

    phone_number_id: str
    display: str
    account_id: str


@dataclass(frozen=True, slots=True)
class SimulatedCustomer:
    """A customer with a phone, a business-scoped user id, or both. `name`: empty if Meta does not report it."""

    name: str
    wa_id: str | None = None
    user_id: str | None = None

    @property
    def ids(self) -> BodyObject:
        """The `customer` of a CloudEvent."""
        return _known(wa_id=self.wa_id, user_id=self.user_id)

    @property
    def contact(self) -> BodyObject:
        """An element of Meta's `contacts[]`."""
        profile = {"profile": {"name": self.name}} if self.name else {}
        return {**profile, **self.ids}


@dataclass(frozen=True, slots=True)
class WebhookPost:
    """A POST before it is signed. `updates`: how many updates or events it has."""

    sender: WebhookSource
    body: bytes
    content_type: str = "application/json"
    updates: int = 1


def message(sender: SimulatedCustomer, wamid: str, at: datetime, kind: str, **content: Any) -> BodyObject:  # noqa: ANN401 - JSON
    """Returns an element of `messages[]`. `content`: the object of its kind, e.g. `text={"body": "..."}` for "text"."""
    ids = _known(**{"from": sender.wa_id, "from_user_id": sender.user_id})
    return {**ids, "id": wamid, "timestamp": _seconds(at), "type": kind, **content}


def echo(line: BusinessNumber, to: SimulatedCustomer, wamid: str, at: datetime, text: str) -> BodyObject:
    """Returns an element of `message_echoes[]`: a message that a person of the company wrote in the phone app."""
    ids = {"from": _digits(line.display), **_known(to=to.wa_id, to_user_id=to.user_id)}
    return {**ids, "id": wamid, "timestamp": _seconds(at), "type": "text", "text": {"body": text}}


def status(recipient: SimulatedCustomer, wamid: str, at: datetime, value: str, code: int | None = None) -> BodyObject:
    """Returns an element of `statuses[]`: the status of an outgoing message. `code`: why it failed."""
    ids = _known(recipient_id=recipient.wa_id, recipient_user_id=recipient.user_id)
    errors = {} if code is None else {"errors": [{"code": code, "title": "Message undeliverable"}]}
    return {"id": wamid, "status": value, "timestamp": _seconds(at), **ids, **errors}


def from_meta(
    line: BusinessNumber,
    *,
    messages: Sequence[BodyObject] = (),
    senders: Sequence[SimulatedCustomer] = (),
    statuses: Sequence[BodyObject] = (),
    echoes: Sequence[BodyObject] = (),
) -> WebhookPost:
    """Returns one body for updates of one number, escaped like Meta's. `senders`: of the messages, each once."""
    changes = []
    if messages:
        contacts = [sender.contact for sender in senders]
        changes.append(_change(line, "messages", contacts=contacts, messages=list(messages)))
    if statuses:
        changes.append(_change(line, "messages", statuses=list(statuses)))
    if echoes:
        changes.append(_change(line, "smb_message_echoes", message_echoes=list(echoes)))
    return _meta_post(line.account_id, changes, len(messages) + len(statuses) + len(echoes))


def of_account(account_id: str, field: str, value: BodyObject) -> WebhookPost:
    """Returns one body for an update of a business account, e.g. `message_template_status_update`."""
    return _meta_post(account_id, [{"value": value, "field": field}], updates=1)


def cloud_event(kind: str, source: str, event_id: str, at: datetime, data: BodyObject) -> BodyObject:
    """Returns a CloudEvent. `kind`: its type without prefix and version, e.g. `softbot.message.sent`."""
    return {
        "specversion": "1.0",
        "type": f"witiop.{kind}.v1",
        "source": source,
        "id": event_id,
        "time": at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }


def from_ours(sender: CloudEventSource, *events: BodyObject) -> WebhookPost:
    """Returns a POST with one CloudEvent, or with a batch."""
    if len(events) == 1:
        return WebhookPost(sender, json.dumps(events[0]).encode(), "application/cloudevents+json")
    return WebhookPost(sender, json.dumps(events).encode(), "application/cloudevents-batch+json", len(events))


def signature(secret: str, body: bytes) -> str:
    """Returns the value of the header that signs exactly these bytes."""
    return f"sha256={hmac.new(secret.encode(), body, 'sha256').hexdigest()}"


def _meta_post(account_id: str, changes: list[BodyObject], updates: int) -> WebhookPost:
    document = {"object": "whatsapp_business_account", "entry": [{"id": account_id, "changes": changes}]}
    # Meta escapes slashes and non-ASCII characters. A reader that signs its own re-serialised JSON gets another
    # signature.
    body = json.dumps(document, separators=(",", ":")).replace("/", r"\/").encode()
    return WebhookPost("whatsapp", body, updates=updates)


def _change(line: BusinessNumber, field: str, **arrays: list[BodyObject]) -> BodyObject:
    metadata = {"display_phone_number": line.display, "phone_number_id": line.phone_number_id}
    return {"value": {"messaging_product": "whatsapp", "metadata": metadata, **arrays}, "field": field}


def _known(**ids: str | None) -> BodyObject:
    return {key: value for key, value in ids.items() if value is not None}


def _seconds(at: datetime) -> str:
    return str(int(at.timestamp()))


def _digits(display: str) -> str:
    return "".join(filter(str.isdigit, display))
