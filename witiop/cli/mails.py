"""`witiop mails`: what became of mails, and *send again* (interface.md)."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from witiop.cli.commands import who_asks
from witiop.cli.reading import CursorType
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database's driver takes its time: `--help` does without
    from domain.mail import Mail, MailState
    from infra.postgres.lists.cursor import Cursor
    from witiop.installation import Installation

_STATES = ("requested", "sending", "sent", "failed", "unknown", "recalled")


@click.group()
def mails() -> None:
    """Conversations that were forwarded by mail, and whether they arrived."""


@mails.command("list")
@click.option("--rows", type=click.IntRange(10, 100), default=10, show_default=True, help="Rows of the page.")
@click.option("--state", type=click.Choice(_STATES), help="Only those; sent: whatever came of it afterwards.")
@click.option("--after", type=CursorType(), metavar="CURSOR", help="Go on where another page ended.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.pass_obj
def list_(
    installation: "Installation", rows: int, state: "MailState | None", after: "Cursor | None", as_json: bool
) -> None:
    """List mails, the latest first."""
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
    head = [Text(title, "bold") for title in ("ID", "COMMAND", "STATE", "ASKED FOR (UTC)", "TO", "SUBJECT", "REASON")]
    cells = [
        (
            str(m.id),
            harmless(m.command_id),
            m.shown,
            utc_minute(m.requested_at),
            " ".join(m.to),
            harmless(m.subject),
            harmless(m.reason or ""),
        )
        for m in found.mails
    ]
    show(aligned([head, *([Text(cell) for cell in row] for row in cells)]))
    if found.next:
        show(["", Text(f"the next page: --after {found.next}", "dim")])


@mails.command("show")
@click.argument("id_", metavar="ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.pass_obj
def show_(installation: "Installation", id_: UUID, as_json: bool) -> None:
    """Show a mail: each recipient, and everything that happened to it."""
    from domain.times import rfc3339
    from infra.postgres.connections.pool import connect
    from infra.postgres.mails import find
    from witiop.cli.views.display import harmless, show, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = find(connection, id_)
    if found is None:
        raise _no_such(id_)
    mail, said = found
    document: dict[str, Any] = {
        **_row(mail),
        "issuer": mail.issuer,
        "masked": mail.masked,
        "attempts": mail.attempts,
        "message_id": mail.message_id,
        "recipients": {to: mail.delivery.get(to) for to in mail.to},
        "body": mail.body,
    }
    history: list[dict[str, Any]] = [
        {
            "at": rfc3339(each.at),
            "event": each.event,
            "actor": each.actor,
            "recipients": list(each.recipients),
            "reason": each.reason,
        }
        for each in said
    ]
    if as_json:
        show_json({**document, "history": history})
        return
    document["to"] = " ".join(mail.to)
    document["recipients"] = ", ".join(f"{to} {fate or 'not heard of'}" for to, fate in document["recipients"].items())
    show(f"{key:<15}  {harmless(str(value))}" for key, value in document.items() if value is not None)
    show([""])
    show(f"{e['at']}  {e['event']} by {harmless(e['actor'])} {harmless(e['reason'] or '')}".rstrip() for e in history)


@mails.command()
@click.argument("id_", metavar="ID", type=click.UUID)
@click.option("--as", "issuer", metavar="USER", callback=who_asks, help="Who asks (default: you on this machine).")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a line.")
@click.pass_obj
def resend(installation: "Installation", id_: UUID, issuer: str, as_json: bool) -> None:
    """Send a mail again whose fate is unknown, or that failed. If it had arrived after all, it arrives twice."""
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
        raise CommandFailed(f"it is {found[0].shown}: only what failed or is unknown is sent again", "not_resendable")
    if as_json:
        show_json({"id": str(id_), "outcome": "applied", "reason": None})
    else:
        show([f"{id_} will be sent again"])


def _row(mail: "Mail") -> dict[str, Any]:
    """As interface.md promises; keys are only ever added."""
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
