"""The form of a mail about a conversation: what was typed, what is suggested, and what is wrong with it."""

from typing import NamedTuple
from uuid import UUID

from flask import Response, abort, request

from console.commands import HOLD_SECONDS, CommandRequest
from console.dependencies import Dependencies
from console.pages import mail_preview
from console.request import person, words
from domain.commands import Email
from domain.contract.row import Row
from domain.directory import Directory
from domain.mail import accept_email, faulty_recipients
from domain.mail_body.recipients import recipients_in
from domain.mail_body.subject import suggested_subject
from infra.postgres.kept.notes import mail_notes
from infra.postgres.lists.conversation_page import conversation_page
from infra.postgres.media import received

MAX_BODY = 20_000
"""The most characters of a mail's own text, which precedes the conversation."""


class MailError(NamedTuple):
    """Why the command would be rejected. `recipients`: those at fault, as they were typed."""

    reason: str
    recipients: tuple[str, ...] = ()


def suggested(of: Row, directory: Directory) -> str:
    """The subject of a mail about this conversation if none is typed."""
    return suggested_subject(of.customer_name, of.last_at, directory.number(of.phone_number_id))


def typed_mail(of: Row, directory: Directory, batch_id: str | None = None) -> Email:
    """The mail about this conversation that the form requests."""
    form = request.form
    return Email(
        conversation_id=of.id,
        to=recipients_in(form.get("to", "")) or ("",),
        subject=form.get("subject", "").strip() or suggested(of, directory),
        body=form.get("body", "").replace("\r\n", "\n")[:MAX_BODY],
        mask="mask" in form,
        notes=True if "notes" in form else None,
        hold_seconds=HOLD_SECONDS,
        batch_id=batch_id,
    )


def mail_request(mail: Email) -> CommandRequest:
    """The command of a mail. The audit says to whom it goes, and whether with the notes."""
    return CommandRequest(mail, "email", {"to": list(mail.to), **({"notes": True} if mail.notes else {})})


def mail_error(deps: Dependencies, mail: Email) -> MailError | None:
    """Why the command would be rejected; None: it would not be. Aborts with 404 if this installation sends no mails."""
    if deps.mailing is None:
        abort(404)
    accepted = accept_email(mail, deps.mailing.policy)
    if not isinstance(accepted, str):
        return None
    return MailError(accepted.value, tuple(filter(None, faulty_recipients(mail, deps.mailing.policy))))


def mail_preview_page(deps: Dependencies, id_: UUID) -> Response:
    """The mail that the form requests, as it would be sent. Aborts with 404 if this installation sends no mails, or if
    there is no such conversation."""
    if deps.mailing is None:
        abort(404)
    with deps.connection() as conn:
        found, directory = conversation_page(conn, id_), deps.directory(conn)
        notes = mail_notes(conn, id_) if "notes" in request.form else []
        files = received.mail_files(conn, id_) if deps.mailing.attach_bytes is not None else []
    if found is None:
        abort(404)
    mail = typed_mail(found.conversation, directory)
    page = mail_preview.page(found, deps.mailing, directory, mail, files, notes, person(), words().now)
    return Response(page, headers=mail_preview.HEADERS, content_type="text/html; charset=utf-8")
