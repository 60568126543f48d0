"""Composes the mail body: the bytes that SES sends, with the whole transcript as HTML and as plain text, in the
language of the number (domain.md, *Mail*).

Texts of customers, bots and agents are untrusted. The HTML escapes them; the plain text indents them, so that no text
can imitate a line of another speaker; neither contains characters that change the reading direction. The headers
contain only checked addresses and the checked subject.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from html import escape
from zoneinfo import ZoneInfo

from domain.conversations.conversation import Conversation
from domain.conversations.transcript import TranscriptItem
from domain.directory import Directory
from domain.mail import Mail
from domain.mail_body import mime
from domain.mail_body.masking import PhoneMasking
from domain.mail_body.wording import MAIL_TEXTS, MailTexts

_STYLE = (
    "body{font-family:sans-serif;color:#222}table{border-collapse:collapse}"
    "td{padding:4px 12px 4px 0;vertical-align:top}"
    ".at,.kind{color:#777}.at{white-space:nowrap}.words,.intro{white-space:pre-wrap}"
)


@dataclass(frozen=True, slots=True)
class MailSender:
    """The sender of mails. `reply_to`: the address for answers if the issuer has none in the directory; None:
    `address`. `form`: returns an address of the directory in the form for headers, None if it is not valid."""

    address: str
    name: str = ""
    reply_to: str | None = None
    form: Callable[[str], str | None] = str


class ComposingTooSlow(Exception):
    """The mail could not be composed in the time for it."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One item of the transcript, as texts for readers."""

    at: str
    speaker: str
    kind: str
    text: str


def compose(
    mail: Mail,
    conversation: Conversation,
    transcript: Sequence[TranscriptItem],
    directory: Directory,
    sender: MailSender,
    now: datetime,
    is_over: Callable[[], bool] = lambda: False,
) -> bytes:
    """Returns the MIME message, with CR LF line ends. `transcript`: the items from `domain.conversations.transcript`;
    `now`: the date of the message (aware UTC); `is_over`: whether the time for composing is used up, asked for each
    item. Raises ComposingTooSlow then."""
    number = directory.number(conversation.phone_number_id)
    zone, wording = ZoneInfo(number.time_zone), MAIL_TEXTS[number.language]
    mask = PhoneMasking(conversation.wa_id).hide if mail.masked else str

    def shown(text: str) -> str:
        if is_over():
            raise ComposingTooSlow
        return mask(_clean(text))

    customer = shown(conversation.customer_name or "")
    identity = shown(conversation.wa_id) if conversation.wa_id else _clean(conversation.user_id or "")
    head = [
        (wording.speakers["customer"], f"{customer} {identity}".strip()),
        (wording.number, _clean(number.name or number.phone_number_id)),
        (wording.opened, wording.moment(conversation.opened_at, zone)),
        (wording.status, _status(conversation, zone, wording)),
        (wording.conversation, str(conversation.id)),
    ]
    entries = [_entry(item, customer, directory, zone, wording, shown) for item in transcript]
    user = directory.users.get(mail.issuer)
    reply_to, answers = (sender.form(user.email), _one_line(_clean(user.name))) if user else (None, "")
    headers = [
        mime.address_header("From", [sender.address], _one_line(_clean(sender.name))),
        mime.address_header("To", mail.to),
        mime.text_header("Subject", mail.subject),
        f"Date: {format_datetime(now)}",
    ]
    if reply_to is not None:
        headers.append(mime.address_header("Reply-To", [reply_to], answers))
    elif sender.reply_to is not None:
        headers.append(mime.address_header("Reply-To", [sender.reply_to]))
    headers.append("Auto-Submitted: auto-generated")
    plain = "\n".join(_plain(mail.body, head, entries)) + "\n"
    html = "".join(_html(wording.language, mail.body, head, entries))
    return mime.message(headers, plain, html, wording.language, f"=_{mail.id.hex}")


def _entry(
    item: TranscriptItem,
    customer: str,
    directory: Directory,
    zone: ZoneInfo,
    wording: MailTexts,
    shown: Callable[[str], str],
) -> _Entry:
    speaker = wording.speakers[item.speaker]
    agent_id = item.agent_id or ""
    agent = directory.users.get(agent_id)
    name = customer if item.speaker == "customer" else _clean(agent.name if agent else agent_id)
    marks = [wording.kinds.get(item.kind, item.kind)] if item.kind != "text" else []
    marks += [mark for mark, applies in ((wording.edited, item.edited), (wording.deleted, item.deleted)) if applies]
    return _Entry(
        wording.moment(item.at, zone),
        f"{speaker} {name}".strip(),
        f"[{', '.join(map(_clean, marks))}]" if marks else "",
        shown(item.text or ""),
    )


def _plain(body: str, head: Sequence[tuple[str, str]], entries: Sequence[_Entry]) -> Iterator[str]:
    yield _clean(body)
    yield "\n" + "-" * 60
    for title, value in head:
        yield f"{title}: {_one_line(value)}"
    for entry in entries:
        yield " ".join(filter(None, (f"\n{entry.at}", _one_line(entry.speaker), entry.kind)))
        yield from (f"    {line}" for line in entry.text.splitlines())


def _html(language: str, body: str, head: Sequence[tuple[str, str]], entries: Sequence[_Entry]) -> Iterator[str]:
    yield f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8"><style>{_STYLE}</style></head><body>'
    yield f'<p class="intro" dir="auto">{escape(_clean(body))}</p><hr><table>'
    for title, value in head:
        yield f"<tr><td>{title}</td><td><bdi>{escape(value)}</bdi></td></tr>\n"
    yield "</table><hr><table>"
    for entry in entries:
        kind = f'<span class="kind">{escape(entry.kind)}</span> ' if entry.kind else ""
        text = f'<bdi class="words">{escape(entry.text)}</bdi>'
        speaker = f"<bdi>{escape(entry.speaker)}</bdi>"
        yield f'<tr><td class="at">{entry.at}</td><td>{speaker}</td><td>{kind}{text}</td></tr>\n'
    yield "</table></body></html>\n"


def _status(conversation: Conversation, zone: ZoneInfo, wording: MailTexts) -> str:
    if conversation.closed_at is not None:
        return wording.closed_on.format(wording.moment(conversation.closed_at, zone))
    return wording.active_until.format(wording.moment(conversation.window_ends_at, zone))


def _clean(text: str) -> str:
    """Returns the text without control characters and without characters that change the reading direction. Line feeds
    and tabs stay."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return "".join(char for char in text if char in "\n\t" or not _is_removed(char))


_DIRECTION_CHANGES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def _is_removed(char: str) -> bool:
    category, direction = unicodedata.category(char), unicodedata.bidirectional(char)
    return category in ("Cc", "Cs", "Zl", "Zp") or direction in _DIRECTION_CHANGES


def _one_line(text: str) -> str:
    return " ".join(text.split())
