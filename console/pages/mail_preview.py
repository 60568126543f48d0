"""The letter as it will be sent: composed by the same rule, read back from its bytes."""

from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import escape
from typing import Any

from psycopg import Connection

from console.dependencies import MailComposition
from console.phrases import refusal
from console.request import translated
from domain.commands import Email
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from domain.ids import fact_id
from domain.mail import Mail, accept_email
from domain.mail_body.compose import compose
from infra.postgres.console.sign_ins import Person
from infra.postgres.lists.conversation_page import conversation_page

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox",
    "X-Frame-Options": "SAMEORIGIN",
}
"""It shows in a frame and does nothing: a letter has its own small style, and no script runs."""

_STYLE = (
    "<style>dl{display:grid;grid-template-columns:auto 1fr;gap:4px 12px;margin:0 0 12px}"
    "dt{color:#666}dd{margin:0}</style>"
)


def page(
    conn: Connection[Any], post: MailComposition, directory: Directory, email: Email, person: Person, now: datetime
) -> str | None:
    """A page of HTML; None: there is no such conversation. What would be refused says so instead."""
    found = conversation_page(conn, email.conversation_id)
    if found is None:
        return None
    accepted = accept_email(email, post.policy)
    if isinstance(accepted, str):
        return f"<p>{escape(refusal(accepted.value))}</p>"
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
    written = compose(mail, found.conversation, found.transcript, directory, post.sender, now)
    message = message_from_bytes(written, policy=default)
    assert isinstance(message, EmailMessage)
    part = message.get_body(("html",))
    assert part is not None
    titles = {
        "From": gettext_noop("From"),
        "To": gettext_noop("To"),
        "Subject": gettext_noop("Subject"),
        "Reply-To": gettext_noop("Answers to"),
    }
    head = "".join(
        f"<dt>{escape(translated(title))}</dt><dd>{escape(str(message[name]))}</dd>"
        for name, title in titles.items()
        if message[name]
    )
    html: str = part.get_content()
    return html.replace("<body>", f"<body>{_STYLE}<dl>{head}</dl><hr>", 1)
