"""`witiop mails`: lists, shows and resends mails (interface.md)."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from witiop.cli.commands import issuer_or_default
from witiop.cli.reading import CursorType
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from domain.mail import Mail, MailState
    from infra.postgres.lists.cursor import Cursor
    from witiop.installation import Installation

_STATES = ("requested", "sending", "sent", "failed", "unknown", "recalled", "held_after_restore")


@click.group()
def mails() -> None:
    """Mails that forward conversations, and their delivery."""


@mails.command("list")
@click.option("--rows", type=click.IntRange(10, 100), default=10, show_default=True, help="Rows per page.")
@click.option(
    "--state",
    type=click.Choice(_STATES),
    help="Only mails in this state; sent includes those that were delivered or bounced later.",
)
@click.option("--after", type=CursorType(), metavar="CURSOR", help="Continue where the previous page ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_(
    installation: "Installation", rows: int, state: "MailState | None", after: "Cursor | None", as_json: bool
) -> None:
    """List mails, newest first."""
    from rich.text import Text

    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.cursor import START
    from infra.postgres.mails import page
    from witiop.cli.views.display import aligned, harmless, show, show_json, utc_minute

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = page(connection, rows, after or START, state)
    if as_json:
        show_json({"rows": [_row(mail) for mail in found.mails], "next": found.next and str(found.next)})
        return
    if not found.mails:
        show(["There are no mails."])
        return
    head = [Text(title, "bold") for title in ("ID", "COMMAND", "STATE", "REQUESTED (UTC)", "TO", "SUBJECT", "REASON")]
    cells = [
        (
            str(mail.id),
            harmless(mail.command_id),
            mail.shown,
            utc_minute(mail.requested_at),
            " ".join(mail.to),
            harmless(mail.subject),
            harmless(mail.reason or ""),
        )
        for mail in found.mails
    ]
    show(aligned([head, *([Text(cell) for cell in row] for row in cells)]))
    if found.next:
        show(["", Text(f"next page: --after {found.next}", "dim")])


@mails.command("show")
@click.argument("id_", metavar="ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def show_(installation: "Installation", id_: UUID, as_json: bool) -> None:
    """Show a mail.

    Prints the delivery to each recipient and the history.
    """
    from domain.times import rfc3339
    from infra.postgres.connections.pool import connect
    from infra.postgres.mails import find
    from witiop.cli.views.display import harmless, show, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = find(connection, id_)
    if found is None:
        raise _no_such(id_)
    mail, events = found
    document: dict[str, Any] = {
        **_row(mail),
        "issuer": mail.issuer,
        "masked": mail.masked,
        "with_notes": mail.with_notes,
        "attempts": mail.attempts,
        "message_id": mail.message_id,
        "recipients": {to: mail.reported(to) for to in mail.to},
        "body": mail.body,
    }
    history: list[dict[str, Any]] = [
        {
            "at": rfc3339(event.at),
            "event": event.event,
            "actor": event.actor,
            "recipients": list(event.recipients),
            "reason": event.reason,
        }
        for event in events
    ]
    if as_json:
        show_json({**document, "history": history})
        return
    document["to"] = " ".join(mail.to)
    document["recipients"] = ", ".join(
        f"{to} ({delivery or 'no report yet'})" for to, delivery in document["recipients"].items()
    )
    show(f"{key:<15}  {harmless(str(value))}" for key, value in document.items() if value is not None)
    show([""])
    show(f"{e['at']}  {e['event']} by {harmless(e['actor'])} {harmless(e['reason'] or '')}".rstrip() for e in history)


@mails.command()
@click.argument("id_", metavar="ID", type=click.UUID)
@click.option(
    "--as",
    "issuer",
    metavar="USER",
    callback=issuer_or_default,
    help="Issuer (default: your user name on this machine).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a line.")
@click.pass_obj
def resend(installation: "Installation", id_: UUID, issuer: str, as_json: bool) -> None:
    """Resend a failed or unknown mail.

    If the first one was delivered after all, the recipients get the mail twice.
    """
    from infra.postgres.connections.pool import connect
    from infra.postgres.mails import find
    from infra.postgres.mails import resend as send_again
    from witiop.cli.views.display import show, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        done = send_again(connection, id_, issuer)
        found = None if done else find(connection, id_)
    if not done:
        if found is None:
            raise _no_such(id_)
        raise CommandFailed(
            f"the mail is {found[0].shown}: only failed and unknown mails can be resent", "not_resendable"
        )
    if as_json:
        show_json({"id": str(id_), "outcome": "applied", "reason": None})
    else:
        show([f"mail {id_} will be sent again"])


def _row(mail: "Mail") -> dict[str, Any]:
    """Returns a row of the list as interface.md promises it. Keys may be added, never removed."""
    from domain.times import rfc3339

    return {
        "id": str(mail.id),
        "command_id": mail.command_id,
        "conversation_id": str(mail.conversation_id),
        "state": mail.shown,
        "to": list(mail.to),
        "subject": mail.subject,
        "at": rfc3339(mail.requested_at),
        "reason": mail.reason,
    }


def _no_such(mail: UUID) -> CommandFailed:
    return CommandFailed(f"there is no mail {mail}", "no_such_mail")
