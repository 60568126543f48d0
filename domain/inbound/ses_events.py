"""Reads SES events about mails, delivered through SNS (domain.md, *Mail*): one notification is one event.

The body is an SNS envelope, whose `Message` is SES's JSON. Our id of the mail is in a message tag that was sent with
it. Envelopes are verified elsewhere (`infra.ses.sns`).

A notification that names no mail of ours is no fault of the sender: a greeting of SES, an event of another program's
mail of the same configuration set, or feedback that SES sends for an identity, which has no tags. It becomes a notice,
one a day for each topic and kind, without any content.
"""

from datetime import UTC, date, datetime
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from domain.facts import MailEvent, Moment, Notice
from domain.ids import FactId, bounded_id, fact_id
from domain.inbound.json_body import InvalidJson, Json, parse
from domain.inbound.reading import BodyReading, UnreadablePart, clamp

TAG = "witiop_mail"
"""The message tag that holds a mail's id."""

_TYPES = {"Send": "sent", "Delivery": "delivered", "Bounce": "bounced", "Complaint": "complained", "Reject": "failed"}
_RECIPIENT_LISTS = {"Bounce": "bouncedRecipients", "Complaint": "complainedRecipients"}
_TIME: TypeAdapter[datetime] = TypeAdapter(Moment)
_GREETING = "Successfully validated SNS topic"

IDENTITY_FEEDBACK = "ses.identity_feedback"
"""The notice that SES sends feedback of an identity to our topic."""


def notice_id(topic_arn: str, field: str, day: date) -> FactId:
    """Returns the id of the notice of that field, which a topic has once a day (UTC)."""
    return fact_id("ses", "notice", bounded_id(topic_arn), field, day.isoformat())


def read_ses(body: bytes, received_at: datetime) -> BodyReading:
    """Returns the event of a notification. One that cannot be read becomes an unreadable part as a whole. The fact's id
    is derived from SNS's message id, so repeats get the same id. Never raises."""
    try:
        return BodyReading((_event(body, received_at),), ())
    except _InvalidField as error:
        return BodyReading((), (UnreadablePart(body, str(error)),))


class _InvalidField(Exception):
    """A field is missing or invalid. The message names the field and what a valid value would be, and quotes
    nothing."""


def _event(body: bytes, received_at: datetime) -> MailEvent | Notice:
    try:
        envelope = parse(body)
        topic, message = _text(envelope, "TopicArn"), str(_at(envelope, "Message"))
        if message.startswith(_GREETING):
            return _notice(topic, "ses.greeting", received_at)
        event = parse(message.encode("utf-8", "replace"))
    except InvalidJson as error:
        raise _InvalidField("Message: must be JSON of an SES event") from error
    if isinstance(_at(event, "notificationType"), str) and _at(event, "eventType") is None:
        return _notice(topic, IDENTITY_FEEDBACK, received_at)
    name = _text(event, "eventType")
    if isinstance(about := _at(event, "mail"), dict) and _at(about, "tags", TAG) is None:
        return _notice(topic, "ses.other_mail", received_at)
    part = _at(event, name[:1].lower() + name[1:]) or {}
    try:
        mail = UUID(_text(_first(_at(event, "mail", "tags", TAG))))
    except ValueError as error:
        raise _InvalidField(f"mail.tags.{TAG}: must be the id of a mail") from error
    try:
        sent_at = _TIME.validate_python(_at(part, "timestamp") or _text(event, "mail", "timestamp"))
    except ValidationError as error:
        raise _InvalidField("timestamp: must be a time") from error
    return MailEvent(
        id=fact_id("ses", bounded_id(topic), bounded_id(_text(envelope, "MessageId"))),
        at=clamp(sent_at, received_at),
        sent_at=sent_at,
        mail_id=mail,
        type=_TYPES.get(name, bounded_id(name)),
        recipients=_recipients(name, part),
        reason=_reason(name, part),
    )


def _notice(topic: str, field: str, received_at: datetime) -> Notice:
    day = received_at.astimezone(UTC)
    return Notice(
        id=notice_id(topic, field, day.date()),
        at=day,
        sent_at=day,
        account_id=bounded_id(topic),
        field=field,
        body={},
    )


def _recipients(name: str, part: Json) -> tuple[str, ...]:
    if name == "Delivery":
        recipients, key = _at(part, "recipients"), None
    else:
        recipients, key = _at(part, _RECIPIENT_LISTS.get(name, "")), "emailAddress"
    items = recipients if isinstance(recipients, list) else []
    addresses = [_at(each, key) if key else each for each in items]
    return tuple(_without_name(each) for each in addresses if isinstance(each, str))


def _without_name(address: str) -> str:
    """Returns the address alone; SES may write a recipient as `Name <address>`."""
    return address.rpartition("<")[2].rstrip("> ").strip()


def _reason(name: str, part: Json) -> str | None:
    """Returns SES's own words for the sub-types: what an event means depends on them (`domain.mail`)."""
    keys = {
        "Bounce": ("bounceType", "bounceSubType"),
        "Complaint": ("complaintSubType", "complaintFeedbackType"),
        "Reject": ("reason",),
    }
    words = [word for key in keys.get(name, ()) if isinstance(word := _at(part, key), str)]
    return bounded_id(" ".join(words)) or None


def _first(value: Json) -> Json:
    return value[0] if isinstance(value, list) and value else None


def _at(value: Json, *path: str) -> Json:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _text(value: Json, *path: str) -> str:
    text = _at(value, *path)
    if not isinstance(text, str) or not text:
        raise _InvalidField(f"{'.'.join(path) or f'mail.tags.{TAG}'}: must be a non-empty string")
    return text
