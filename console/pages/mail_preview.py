"""The preview of a mail: composed as it will be sent."""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from console.dependencies import MailComposition
from console.phrases import rejection
from console.request import translated, words
from domain.commands import Email
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from domain.ids import fact_id
from domain.mail import Mail, accept_email
from domain.mail_body.compose import ComposingTooSlow, compose
from domain.mail_body.entries import MailNote
from domain.mail_body.files import MailFile, with_attachable
from infra.postgres.console.sign_ins import Person
from infra.postgres.lists.conversation_page import ConversationPage
from infra.process.cpu_limit import CpuLimit

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox",
    "X-Frame-Options": "SAMEORIGIN",
}
"""The preview is shown in a frame. It has its own styles, and no script runs in it."""

_TOO_SLOW = gettext_noop("This conversation is too long for a preview.")

# The links to files lead there once the mail is sent.
_STYLE = (
    "<style>dl{display:grid;grid-template-columns:auto 1fr;gap:4px 12px;margin:0 0 12px}"
    "dt{color:#666}dd{margin:0}a{pointer-events:none}</style>"
)


def page(
    found: ConversationPage,
    mailing: MailComposition,
    directory: Directory,
    email: Email,
    files: Sequence[MailFile],
    notes: Sequence[MailNote],
    person: Person,
    now: datetime,
) -> str:
    """The mail as an HTML page, or why it would be rejected. `files`: stored ones of the conversation;
    `notes`: those that it has. Needs no connection: composing may take long."""
    accepted = accept_email(email, mailing.policy)
    if isinstance(accepted, str):
        return f"<p>{escape(rejection(accepted.value))}</p>"
    mail = Mail(
        fact_id("preview"),
        "preview",
        accepted.conversation_id,
        person.name,
        accepted.to,
        accepted.subject,
        accepted.body,
        accepted.masked,
        now,
    )
    within = CpuLimit(mailing.preview_seconds)
    try:
        named = with_attachable(mail, files, mailing.attach_bytes or 0)
        written = compose(
            mail, found.conversation, found.transcript, directory, mailing.sender, within.is_reached, named, notes
        )
    except ComposingTooSlow:
        return f"<p>{escape(translated(_TOO_SLOW))}</p>"
    attachments = ", ".join(f"{file.name} ({words().size(file.size)})" for file in written.attached)
    shown = [
        (gettext_noop("From"), _mailbox(written.sender)),
        (gettext_noop("To"), ", ".join(mail.to)),
        (gettext_noop("Subject"), mail.subject),
        (gettext_noop("Reply-to"), _mailbox(written.reply_to) if written.reply_to else ""),
        (gettext_noop("Attachments"), attachments),
    ]
    head = "".join(f"<dt>{escape(translated(title))}</dt><dd>{escape(text)}</dd>" for title, text in shown if text)
    return written.html.replace("<body>", f"<body>{_STYLE}<dl>{head}</dl><hr>", 1)


def _mailbox(named: tuple[str, str]) -> str:
    name, address = named
    return f"{name} <{address}>" if name else address
