"""Sightings: when something outside was last seen. They follow from the facts that arrive, and from notices with which
the webhook, which has no database, tells what it saw besides."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple, cast, get_args

from domain.facts import (
    AccountChanged,
    AgentFact,
    AgentMessage,
    AgentPresenceChanged,
    BotFact,
    CustomerIdentityChanged,
    CustomerSignal,
    CustomerTurn,
    Fact,
    HumanEcho,
    MailEvent,
    MarketingPreference,
    MessageStatus,
    Notice,
    NumberChanged,
    TemplateChanged,
    ThreadControlPassed,
)
from domain.ids import fact_id
from domain.setup.fields import FIELDS

WebhookEvent = Literal[
    "handshake",
    "handshake_refused",
    "whatsapp_refused",
    "softbot_refused",
    "agents_refused",
    "client_certificate",
    "client_certificate_missing",
    "sns_confirmed",
    "sns_refused",
]
"""What the webhook tells: Meta's handshake, with our verify token or another; bodies whose signature is not ours;
bodies with or without Meta's client certificate; a subscription of SNS that was confirmed, and messages of SNS that are
none of ours."""
SightingKind = (
    WebhookEvent | Literal["whatsapp", "field", "message", "echo", "test", "softbot", "desktop", "desk", "ses"]
)
"""Besides: a signed body of Meta; a webhook field, a customer's message and a message from the phone app, by name or
number; Meta's test button; the Softbot; an agent desktop; our own agents' page; an event of SES."""

WEBHOOK_NOTICE = "witiop.webhook"
"""The field of the notices with which the webhook tells."""
TEST_NUMBER = "123456123"
"""The phone number id in the samples of Meta's test button."""
_TEST_ACCOUNT = "0"
"""The account in them."""
_NOTICE_SECONDS = 60

_WEBHOOK_EVENTS = frozenset(get_args(WebhookEvent))
_FIELDS: Mapping[type, str] = {
    MessageStatus: "messages",
    CustomerIdentityChanged: "messages",
    ThreadControlPassed: "messaging_handovers",
    MarketingPreference: "user_preferences",
}
_TEMPLATE_FIELDS = {
    "status": "message_template_status_update",
    "quality": "message_template_quality_update",
    "category": "template_category_update",
}


class Sighting(NamedTuple):
    """Something that was seen. `name`: which of its kind; '' if there is only one."""

    kind: SightingKind
    name: str = ""


_TESTED = (Sighting("whatsapp"), Sighting("test"))


def webhook_notice(event: WebhookEvent, at: datetime) -> Notice:
    """Returns the notice with which the webhook tells of an event. Several webhooks that tell the same within a minute
    tell it once."""
    minute = int(at.timestamp()) // _NOTICE_SECONDS
    id_ = fact_id("webhook", event, str(minute))
    return Notice(id=id_, at=at, sent_at=at, account_id="", field=WEBHOOK_NOTICE, body={"event": event})


def sightings_in(fact: Fact, *, is_own: bool = False) -> Iterator[Sighting]:
    """Yields what a fact shows. `is_own`: our own agents' page published it."""
    match fact:
        case Notice(field=field) if field == WEBHOOK_NOTICE:
            event = fact.body.get("event") if isinstance(fact.body, dict) else None
            if event in _WEBHOOK_EVENTS:
                yield Sighting(cast(WebhookEvent, event))
        case CustomerTurn(phone_number_id=number) if number == TEST_NUMBER:
            yield from _TESTED
        case CustomerTurn() | CustomerSignal() | HumanEcho():
            yield from _of_meta(_field_of(fact))
            if not isinstance(fact, CustomerSignal):
                yield Sighting("echo" if isinstance(fact, HumanEcho) else "message", fact.phone_number_id)
        case TemplateChanged() | NumberChanged() | AccountChanged() | Notice():
            yield from _of_account(fact)
        case AgentMessage() if fact.send_id is not None:
            return  # this product posted it
        case AgentPresenceChanged() | AgentFact():
            yield Sighting("desk" if is_own else "desktop")
        case BotFact():
            yield Sighting("softbot")
        case MailEvent():
            yield Sighting("ses")
        case _ if type(fact) in _FIELDS:
            yield from _of_meta(_FIELDS[type(fact)])


def _field_of(fact: CustomerTurn | CustomerSignal | HumanEcho) -> str:
    if isinstance(fact, HumanEcho):
        return "smb_message_echoes"
    if isinstance(fact, CustomerSignal) and fact.standby_turn:
        return "standby"
    return "calls" if fact.type == "call" else "messages"


def _of_account(fact: TemplateChanged | NumberChanged | AccountChanged | Notice) -> Iterator[Sighting]:
    match fact:
        case TemplateChanged():
            field = _TEMPLATE_FIELDS[fact.aspect]
        case NumberChanged():
            field = "phone_number_quality_update"
        case AccountChanged():
            field = "business_capability_update" if fact.event == "CAPABILITY_UPDATE" else "account_update"
        case _:
            field = {"statuses": "messages", "errors": "messages"}.get(fact.field, fact.field)
            if field not in FIELDS:
                if fact.field.startswith("ses."):
                    yield Sighting("ses")
                return
    yield from _TESTED if fact.account_id == _TEST_ACCOUNT else _of_meta(field)


def _of_meta(field: str) -> Iterator[Sighting]:
    yield Sighting("whatsapp")
    yield Sighting("field", field)
