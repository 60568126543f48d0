"""What SES tells of mails, through SNS (domain.md, *Mail*): one notification is one event.

The body is SNS's envelope, whose `Message` is SES's JSON; the mail's own id stands in the message tag that travelled
with it. Which envelopes are believed is not decided here.
"""

from datetime import datetime
from uuid import UUID

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from domain.facts import MailEvent
from domain.ids import bounded_id, fact_id
from domain.inbound.json_body import InvalidJson, Json, parse
from domain.inbound.reading import BodyReading, UnreadablePart, clamp

TAG = "witiop_mail"
"""The message tag that carries a mail's id."""

_TYPES = {"Send": "sent", "Delivery": "delivered", "Bounce": "bounced", "Complaint": "complained", "Reject": "failed"}
_TOLD_OF = {"Bounce": "bouncedRecipients", "Complaint": "complainedRecipients"}
_TIME: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


def read_ses(body: bytes, received_at: datetime) -> BodyReading:
    """The event of a notification; what is none of ours, or cannot be read, is put aside whole. Never raises. SNS's
    message id names the event: a repeat meets itself."""
    try:
        return BodyReading((_event(body, received_at),), ())
    except _Missing as error:
        return BodyReading((), (UnreadablePart(body, str(error)),))


class _Missing(Exception):
    """The field, and what would be right; nothing of what was sent."""


def _event(body: bytes, received_at: datetime) -> MailEvent:
    try:
        envelope = parse(body)
        said = parse(str(_at(envelope, "Message")).encode("utf-8", "replace"))
    except InvalidJson as error:
        raise _Missing("Message: must be JSON of an SES event") from error
    name = _text(said, "eventType")
    part = _at(said, name[:1].lower() + name[1:]) or {}
    try:
        mail = UUID(_text(_first(_at(said, "mail", "tags", TAG))))
    except ValueError as error:
        raise _Missing(f"mail.tags.{TAG}: must be the id of a mail") from error
    try:
        sent_at = _TIME.validate_python(_at(part, "timestamp") or _text(said, "mail", "timestamp"))
    except ValidationError as error:
        raise _Missing("timestamp: must be a time") from error
    return MailEvent(
        id=fact_id("ses", bounded_id(_text(envelope, "TopicArn")), bounded_id(_text(envelope, "MessageId"))),
        at=clamp(sent_at, received_at),
        sent_at=sent_at,
        mail_id=mail,
        type=_TYPES.get(name, bounded_id(name)),
        recipients=_recipients(name, part),
        reason=_reason(name, part),
    )


def _recipients(name: str, part: Json) -> tuple[str, ...]:
    if name == "Delivery":
        found, key = _at(part, "recipients"), None
    else:
        found, key = _at(part, _TOLD_OF.get(name, "")), "emailAddress"
    listed = found if isinstance(found, list) else []
    addresses = [_at(each, key) if key else each for each in listed]
    return tuple(_bare(each) for each in addresses if isinstance(each, str))


def _bare(address: str) -> str:
    """SES may repeat a recipient as `Name <address>`."""
    return address.rpartition("<")[2].rstrip("> ").strip()


def _reason(name: str, part: Json) -> str | None:
    keys = {"Bounce": ("bounceType", "bounceSubType"), "Complaint": ("complaintFeedbackType",), "Reject": ("reason",)}
    words = [word for key in keys.get(name, ()) if isinstance(word := _at(part, key), str)]
    return bounded_id(" ".join(words)) or None


def _first(value: Json) -> Json:
    return value[0] if isinstance(value, list) and value else None


def _at(value: Json, *path: str) -> Json:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _text(value: Json, *path: str) -> str:
    found = _at(value, *path)
    if not isinstance(found, str) or not found:
        raise _Missing(f"{'.'.join(path) or f'mail.tags.{TAG}'}: must be a text")
    return found
