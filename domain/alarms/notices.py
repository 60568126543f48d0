"""What a channel is sent about an alarm: the body of a webhook, or a mail. No customer's text is ever in it."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from html import escape
from typing import Any, Literal
from uuid import UUID

from domain.alarms.kinds import JUDGING, AlarmDetails, AlarmKind, AlarmLevel
from domain.alarms.texts import Translate, say
from domain.contract.texts import gettext_noop
from domain.mail_body import mime
from domain.mail_body.clean import clean, one_line
from domain.times import rfc3339

SIGNATURE_HEADER = "X-Witiop-Signature-256"
REPEAT_HEADER = "Idempotency-Key"
"""Names the delivery: a receiver that has seen it already ignores the repeat."""

OVER = gettext_noop("Over: %(what)s")
_OPEN = gettext_noop("Open in the console")
_CUSTOMER = gettext_noop("Customer: %(customer)s")
_MARKS: Mapping[AlarmLevel, str] = {"red": "\N{LARGE RED CIRCLE}", "amber": "\N{LARGE ORANGE CIRCLE}"}
_OVER_MARK = "\N{WHITE HEAVY CHECK MARK}"
_MARKUP = re.compile(r"[<>\[\]()*_`~|#\\]")
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class AlarmNotice:
    """One change of an alarm, to be told. `id`: of the delivery; `change_at`: when it began or ended; `customer`: name
    and phone, '' if the channel does not show them; `url`: of the page to look at, '' without a public console."""

    id: UUID
    kind: AlarmKind
    key: str
    details: AlarmDetails
    change: Literal["began", "ended"]
    change_at: datetime
    customer: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class _Lines:
    title: str
    lines: tuple[str, ...]


def inert(text: str) -> str:
    """Returns a text in one line that no chat gives a meaning: no mark-up, no link, nobody is called by an @."""
    return one_line(_MARKUP.sub(" ", clean(text))).replace("@", "@\u200b").replace("://", ":\u200b//")[:_LONGEST]


def text_body(notice: AlarmNotice, translate: Translate = str) -> dict[str, Any]:
    """Returns the JSON body for the incoming hooks of Slack and Mattermost, which read `text`, and for services of
    one's own, which read the rest."""
    said = _said(notice, translate)
    return {
        "text": "\n".join(filter(None, (said.title, *said.lines, notice.url))),
        "alarm": {
            "id": str(notice.id),
            "kind": str(notice.kind),
            "key": notice.key,
            "level": JUDGING[notice.kind].level,
            "change": notice.change,
            "at": rfc3339(notice.change_at),
            "url": notice.url,
        },
    }


def card_body(notice: AlarmNotice, translate: Translate = str) -> dict[str, Any]:
    """Returns the JSON body for a workflow of Microsoft Teams: a message with one adaptive card."""
    said = _said(notice, translate)
    blocks: list[dict[str, Any]] = [{"type": "TextBlock", "text": said.title, "weight": "Bolder", "wrap": True}]
    blocks += [{"type": "TextBlock", "text": line, "wrap": True} for line in said.lines]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    if notice.url:
        card["actions"] = [{"type": "Action.OpenUrl", "title": translate(_OPEN), "url": notice.url}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def signature(secret: bytes, body: bytes) -> str:
    """Returns the value of `SIGNATURE_HEADER`."""
    return f"sha256={hmac.digest(secret, body, 'sha256').hex()}"


def mail_body(
    notice: AlarmNotice,
    sender: tuple[str, str],
    to: list[str],
    now: datetime,
    language: str,
    translate: Translate = str,
) -> bytes:
    """Returns the mail as bytes. `sender`: display name, which may be empty, and address."""
    said = _said(notice, translate)
    lines = [*said.lines, *filter(None, (notice.url,))]
    html = "".join(f"<p>{escape(line)}</p>" for line in said.lines)
    if notice.url:
        html += f'<p><a href="{escape(notice.url)}">{escape(translate(_OPEN))}</a></p>'
    headers = [
        mime.address_header("From", [sender[1]], sender[0]),
        mime.address_header("To", to),
        mime.text_header("Subject", said.title),
        f"Date: {format_datetime(now)}",
        f"{REPEAT_HEADER}: {notice.id}",
        "Auto-Submitted: auto-generated",
    ]
    whole = f"<p><b>{escape(said.title)}</b></p>{html}"
    return mime.message(headers, "\n\n".join([said.title, *lines]) + "\n", whole, language, f"=_{notice.id.hex}")


def _said(notice: AlarmNotice, translate: Translate) -> _Lines:
    details = {name: inert(value) if isinstance(value, str) else value for name, value in notice.details.items()}
    words = say(notice.kind, details, translate)
    if notice.change == "ended":
        return _Lines(f"{_OVER_MARK} {translate(OVER) % {'what': words.what}}", ())
    customer = translate(_CUSTOMER) % {"customer": inert(notice.customer)} if notice.customer else ""
    title = f"{_MARKS[JUDGING[notice.kind].level]} {words.what}"
    return _Lines(title, tuple(filter(None, (words.cure, customer))))
