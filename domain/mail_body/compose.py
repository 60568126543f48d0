"""The letter: one mail as the bytes that SES sends, the whole transcript as HTML and as plain text, in the language of
the number (domain.md, *Mail*).

What customers, bots and agents wrote is data: escaped in the HTML; in the plain text it is indented, so that nobody can
write a line that looks like another speaker's; and in both nothing of it turns the reading direction around it. Only
checked addresses and the checked subject come near the headers.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from zoneinfo import ZoneInfo

from domain.conversations.conversation import Conversation
from domain.conversations.transcript import TranscriptItem
from domain.directory import Directory
from domain.mail import Mail
from domain.mail_body.masking import PhoneMasking
from domain.mail_body.wording import MAIL_TEXTS, MailTexts

_STYLE = (
    "body{font-family:sans-serif;color:#222}table{border-collapse:collapse}"
    "td{padding:4px 12px 4px 0;vertical-align:top}"
    ".at,.kind{color:#777}.at{white-space:nowrap}.words,.intro{white-space:pre-wrap}"
)


@dataclass(frozen=True, slots=True)
class MailSender:
    """Whom mails are from. `reply_to`: where answers go if the issuer has no address in the directory; None: `address`.
    `form`: of an address of the directory what stands in a header, None if it cannot."""

    address: str
    name: str = ""
    reply_to: str | None = None
    form: Callable[[str], str | None] = str


@dataclass(frozen=True, slots=True)
class _Entry:
    """One item of the transcript as people read it."""

    at: str
    who: str
    kind: str
    words: str


def compose(
    mail: Mail,
    conversation: Conversation,
    transcript: Sequence[TranscriptItem],
    directory: Directory,
    sender: MailSender,
    now: datetime,
) -> bytes:
    """The MIME message, lines ended by CR LF. `transcript` as `domain.conversations.transcript` makes it; `now`:
    its date."""
    number = directory.number(conversation.phone_number_id)
    zone, wording = ZoneInfo(number.time_zone), MAIL_TEXTS[number.language]
    hide = PhoneMasking(conversation.wa_id).hide if mail.masked else str

    def shown(text: str) -> str:
        return hide(_clean(text))

    customer = shown(conversation.customer_name or "")
    known_as = shown(conversation.wa_id) if conversation.wa_id else _clean(conversation.user_id or "")
    head = [
        (wording.speakers["customer"], f"{customer} {known_as}".strip()),
        (wording.number, _clean(number.name or number.phone_number_id)),
        (wording.opened, wording.moment(conversation.opened_at, zone)),
        (wording.status, _status(conversation, zone, wording)),
        (wording.conversation, str(conversation.id)),
    ]
    entries = [_entry(item, customer, directory, zone, wording, shown) for item in transcript]
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(sender.name, addr_spec=sender.address)
    message["To"] = [Address(addr_spec=each) for each in mail.to]
    message["Subject"] = mail.subject
    message["Date"] = now
    user = directory.users.get(mail.issuer)
    reply_to = (sender.form(user.email) if user else None) or sender.reply_to
    if reply_to is not None:
        message["Reply-To"] = Address(addr_spec=reply_to)
    message["Auto-Submitted"] = "auto-generated"
    # base64: no line is too long for anybody on the way, and it is read back as it was written.
    message.set_content("\n".join(_plain(mail.body, head, entries)) + "\n", cte="base64")
    message.add_alternative("".join(_html(wording.language, mail.body, head, entries)), subtype="html", cte="base64")
    message["Content-Language"] = wording.language  # earlier, it would go to the first part alone
    return bytes(message)


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
    words = item.text or ""
    return _Entry(
        wording.moment(item.at, zone),
        f"{speaker} {name}".strip(),
        f"[{', '.join(map(_clean, marks))}]" if marks else "",
        shown(words),
    )


def _plain(body: str, head: Sequence[tuple[str, str]], entries: Sequence[_Entry]) -> Iterator[str]:
    yield _clean(body)
    yield "\n" + "-" * 60
    for title, value in head:
        yield f"{title}: {_one_line(value)}"
    for entry in entries:
        yield " ".join(filter(None, (f"\n{entry.at}", _one_line(entry.who), entry.kind)))
        yield from (f"    {line}" for line in entry.words.splitlines())


def _html(language: str, body: str, head: Sequence[tuple[str, str]], entries: Sequence[_Entry]) -> Iterator[str]:
    yield f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8"><style>{_STYLE}</style></head><body>'
    yield f'<p class="intro" dir="auto">{escape(_clean(body))}</p><hr><table>'
    for title, value in head:
        yield f"<tr><td>{title}</td><td><bdi>{escape(value)}</bdi></td></tr>\n"
    yield "</table><hr><table>"
    for entry in entries:
        kind = f'<span class="kind">{escape(entry.kind)}</span> ' if entry.kind else ""
        words = f'<bdi class="words">{escape(entry.words)}</bdi>'
        yield f'<tr><td class="at">{entry.at}</td><td><bdi>{escape(entry.who)}</bdi></td><td>{kind}{words}</td></tr>\n'
    yield "</table></body></html>\n"


def _status(conversation: Conversation, zone: ZoneInfo, wording: MailTexts) -> str:
    if conversation.closed_at is not None:
        return wording.closed_on.format(wording.moment(conversation.closed_at, zone))
    return wording.active_until.format(wording.moment(conversation.window_ends_at, zone))


def _clean(text: str) -> str:
    """Without control characters and without marks that turn the reading direction; lines and tabs stay."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return "".join(char for char in text if char in "\n\t" or not _drives(char))


def _drives(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(char) in _TURNING


_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def _one_line(text: str) -> str:
    return " ".join(text.split())
