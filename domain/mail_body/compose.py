"""Composes a mail: what it says, as HTML and as plain text, in the language of the number (domain.md, *Mail*).

Readers may never have seen this product: the mail says in words why nobody answered, what was said and when, and where
to look. Texts of customers, bots and agents are untrusted. The HTML escapes them; the plain text indents them, so that
no text can imitate a line of another speaker; neither contains characters that change the reading direction. The
headers contain only checked addresses, the checked subject, and names in one line.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from html import escape
from types import MappingProxyType
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.conversations.conversation import Conversation
from domain.conversations.reading.transcript import TranscriptItem
from domain.directory import Directory, Number
from domain.mail import MAX_BYTES, Mail
from domain.mail_body import mime
from domain.mail_body.clean import clean, one_line
from domain.mail_body.entries import Entries, Entry, MailNote
from domain.mail_body.files import MailFile, MailFiles, encoded_bytes
from domain.mail_body.masking import PhoneMasking
from domain.mail_body.wording import MAIL_TEXTS, MailTexts, clock, utc_offset

_STYLE = (
    "body{font-family:sans-serif;color:#222}table{border-collapse:collapse}"
    "td,th{padding:4px 12px 4px 0;vertical-align:top;text-align:left}"
    ".at,.kind,.note{color:#666}.at{white-space:nowrap}.words,.intro{white-space:pre-wrap}"
)
_HEAD_BYTES = 100_000
"""Room for headers with fifty recipients, and for what is said about the conversation."""
_TRANSCRIPT_BYTES = 4_000_000
"""Most bytes of a transcript, as plain text and HTML together, so that composing it takes about two seconds."""


@dataclass(frozen=True, slots=True)
class MailSender:
    """The sender of mails. `reply_to`: the address for answers if the issuer has none in the directory; None:
    `address`. `form`: returns an address of the directory in the form for headers, None if it is not valid.
    `console_url`: the public address of the console, None if it has none."""

    address: str
    name: str = ""
    reply_to: str | None = None
    form: Callable[[str], str | None] = str
    organisation: str = ""
    console_url: str | None = None


class ComposingTooSlow(Exception):
    """The mail could not be composed in the time for it."""


@dataclass(frozen=True, slots=True)
class ComposedMail:
    """What a mail says, before it is written as bytes. `sender` and `reply_to`: a display name, which may be empty, and
    an address; `reply_to` None: answers go to the sender; `attached`: the files that are attached."""

    mail: Mail
    sender: tuple[str, str]
    reply_to: tuple[str, str] | None
    plain: str
    html: str
    language: str
    attached: Sequence[MailFile] = ()

    def to_bytes(self, now: datetime) -> bytes:
        """Returns the MIME message, with CR LF line ends. `now`: its date (aware UTC)."""
        headers = [
            mime.address_header("From", [self.sender[1]], self.sender[0]),
            mime.address_header("To", self.mail.to),
            mime.text_header("Subject", self.mail.subject),
            f"Date: {format_datetime(now)}",
        ]
        if self.reply_to is not None:
            headers.append(mime.address_header("Reply-To", [self.reply_to[1]], self.reply_to[0]))
        headers.append("Auto-Submitted: auto-generated")
        parts = [mime.Attachment(each.name or each.kind, each.mime_type, each.content or b"") for each in self.attached]
        return mime.message(headers, self.plain, self.html, self.language, f"=_{self.mail.id.hex}", parts)


def compose(
    mail: Mail,
    conversation: Conversation,
    transcript: Sequence[TranscriptItem],
    directory: Directory,
    sender: MailSender,
    is_over: Callable[[], bool] = lambda: False,
    files: Mapping[UUID, MailFile] = MappingProxyType({}),
    notes: Sequence[MailNote] = (),
) -> ComposedMail:
    """Returns the mail. `transcript`: the items from `domain.conversations.reading.transcript`; `is_over`: whether the
    time for composing is used up, asked for each item; `files`: of messages, by message, those of deleted ones are left
    out; `notes`: those of colleagues that the mail has, the earliest first. Raises ComposingTooSlow then."""
    number = directory.number(conversation.phone_number_id)
    wording = MAIL_TEXTS[number.language]
    phones = {conversation.wa_id, *(item.sender.wa_id for item in transcript if item.sender is not None)}
    mask = PhoneMasking(phones).hide if mail.masked else str

    def shown(text: str) -> str:
        if is_over():
            raise ComposingTooSlow
        return mask(clean(text))

    is_group = conversation.group_id is not None
    of_messages = MailFiles(mail, files, wording, sender.console_url, mail.masked)
    customer = one_line(shown(conversation.customer_name or ""))
    entries = Entries(directory, wording, shown, customer, is_group, of_messages)
    body = clean(mail.body)
    room = (
        mime.capacity(MAX_BYTES - _HEAD_BYTES - encoded_bytes([*files.values()]))
        - len(body.encode())
        - len(escape(body).encode())
        - sum(entries.of_note(note).size for note in notes)
    )
    chosen = entries.with_notes(entries.within_limits(transcript, min(room, _TRANSCRIPT_BYTES)), notes)
    local = ZoneInfo(number.time_zone)
    head = list(_head(conversation, number, directory, wording, sender, shown))
    head += [(wording.notes, wording.notes_are)] if notes else []
    language = wording.language
    user = directory.users.get(mail.issuer)
    answers = sender.form(user.email) if user else None
    reply_to = (one_line(clean(user.name)), answers) if user and answers else None
    return ComposedMail(
        mail,
        (one_line(clean(sender.name or sender.organisation)), sender.address),
        reply_to or (("", sender.reply_to) if sender.reply_to else None),
        "\n".join(_plain(body, head, chosen, local, wording)) + "\n",
        "".join(_html(body, head, chosen, local, wording)),
        language,
        [entry.file for entry in chosen if entry.file is not None and entry.file.is_attached],
    )


def _head(
    of: Conversation,
    number: Number,
    directory: Directory,
    wording: MailTexts,
    sender: MailSender,
    shown: Callable[[str], str],
) -> Iterator[tuple[str, str]]:
    """Yields title and text of what is said about the conversation before its transcript."""
    zone = ZoneInfo(number.time_zone)
    identity = shown(f"+{of.wa_id}") if of.wa_id else clean(of.user_id or "")
    if of.group_id is not None:
        yield wording.group, clean(of.group_id)
    else:
        yield wording.speakers["customer"], f"{shown(of.customer_name or '')} {identity}".strip()
    if sender.organisation:
        yield wording.organisation, clean(sender.organisation)
    yield wording.number, clean(number.name or number.phone_number_id)
    if of.reason is not None and of.reason in wording.reasons:
        yield wording.reason, wording.reasons[of.reason]
    if of.owner is not None and of.owner.state in wording.owners:
        named = directory.users if of.owner.kind == "user" else directory.skillsets
        name = named[of.owner.id].name if of.owner.id in named else of.owner.id
        yield wording.owner, wording.owners[of.owner.state].format(clean(name))
    yield wording.opened, wording.moment(of.opened_at.astimezone(zone))
    end = of.closed_at or of.window_ends_at
    status = wording.active_until if of.closed_at is None else wording.closed_on
    yield wording.status, status.format(wording.moment(end.astimezone(zone)))
    yield wording.times, wording.zone(of.opened_at.astimezone(zone), number.time_zone)
    if sender.console_url is not None:
        yield wording.link, f"{sender.console_url.rstrip('/')}/unmanaged?open={of.id}"
    else:
        yield wording.conversation, str(of.id)


def _plain(
    body: str, head: Sequence[tuple[str, str]], entries: Sequence[Entry], zone: ZoneInfo, wording: MailTexts
) -> Iterator[str]:
    yield body
    yield "\n" + "-" * 60
    for title, value in head:
        yield f"{title}: {one_line(value)}"
    for note, at, entry in _with_days(entries, zone, wording):
        if note:
            yield f"\n{note}"
        if entry.speaker:
            yield f"\n{at}  {one_line(entry.speaker)}"
            said = f"{entry.kind}: {entry.text}" if entry.kind and entry.text else entry.kind or entry.text
            yield from (f"    {line}" for line in said.splitlines())
            if entry.marks:
                yield f"    ({entry.marks})"
            if entry.link:
                yield f"    {entry.link}"


def _html(
    body: str, head: Sequence[tuple[str, str]], entries: Sequence[Entry], zone: ZoneInfo, wording: MailTexts
) -> Iterator[str]:
    yield f'<!DOCTYPE html><html lang="{wording.language}"><head><meta charset="utf-8"><style>{_STYLE}</style></head>'
    yield f'<body><p class="intro" dir="auto">{escape(body)}</p><hr><table>'
    for title, value in head:
        link = f' href="{escape(value)}"' if title == wording.link else ""
        shown = f"<a{link}>{escape(value)}</a>" if link else f"<bdi>{escape(value)}</bdi>"
        yield f"<tr><td>{escape(title)}</td><td>{shown}</td></tr>\n"
    yield "</table><hr><table>"
    for note, at, entry in _with_days(entries, zone, wording):
        if note:
            yield f'<tr><th colspan="3">{escape(note)}</th></tr>\n'
        if entry.speaker:
            said = "".join(
                f'<{tag} class="{style}">{escape(text)}</{tag}> '
                for tag, style, text in (
                    ("span", "kind", entry.kind),
                    ("bdi", "words", entry.text),
                    ("span", "note", f"({entry.marks})" if entry.marks else ""),
                )
                if text
            )
            if entry.link:
                said += f'<a href="{escape(entry.link)}">{escape(wording.link)}</a>'
            yield f'<tr><td class="at">{at}</td><td><bdi>{escape(entry.speaker)}</bdi></td><td>{said}</td></tr>\n'
    yield "</table></body></html>\n"


def _with_days(entries: Sequence[Entry], zone: ZoneInfo, wording: MailTexts) -> Iterator[tuple[str | None, str, Entry]]:
    """Yields each entry with its time of day and with a note in front of it: a new day, a change of the clocks, or what
    was left out. An entry without a speaker is such a note alone."""
    before: datetime | None = None
    for entry in entries:
        if entry.at is None:
            yield entry.text, "", entry
            continue
        local, notes = entry.at.astimezone(zone), []
        if before is None or before.date() != local.date():
            notes.append(wording.day(local))
        if before is not None and before.utcoffset() != local.utcoffset():
            notes.append(utc_offset(local))
        yield ", ".join(notes) or None, clock(local), entry
        before = local
