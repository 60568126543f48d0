"""`witiop messages`: lists and shows messages that were sent, and settles those that are unknown."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from witiop.cli.commands import carry_out, command_options
from witiop.cli.reading import CursorType
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from domain.sending.sends import Send, SendState
    from domain.sending.unknown import Silence
    from infra.postgres.lists.cursor import Cursor
    from witiop.installation import Installation

STATES = (
    "queued",
    "sending",
    "accepted",
    "sent",
    "delivered",
    "read",
    "played",
    "failed",
    "dropped",
    "unknown",
    "assumed_sent",
    "recalled",
    "expired",
    "held_after_restore",
)
"""`domain.sending.sends.SEND_STATES`, whose import would make every command slower."""


@click.group()
def messages() -> None:
    """Messages that were sent to customers, and what became of them."""


@messages.command("list")
@click.option("--rows", type=click.IntRange(10, 100), default=10, show_default=True, help="Rows per page.")
@click.option("--state", type=click.Choice(STATES), help="Only messages in this state.")
@click.option("--after", type=CursorType(), metavar="CURSOR", help="Continue where the previous page ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_(
    installation: "Installation", rows: int, state: "SendState | None", after: "Cursor | None", as_json: bool
) -> None:
    """List messages, newest first."""
    from rich.text import Text

    from domain.contract.send_help import send_help
    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.cursor import START
    from infra.postgres.sending.sends import page
    from infra.postgres.sending.unknown import silences
    from witiop.cli.views.display import aligned, harmless, show, show_json, utc_minute

    inbound = _inbound(installation)
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = page(connection, rows, after or START, [state] if state else None)
        silence = silences(connection, inbound, found.sends)
    if as_json:
        listed = [_row(send, silence.get(send.id)) for send in found.sends]
        show_json({"rows": listed, "next": found.next and str(found.next)})
        return
    if not found.sends:
        show(["There are no messages."])
        return
    head = [Text(title, "bold") for title in ("ID", "STATE", "REQUESTED (UTC)", "TO", "BY", "TEXT", "REASON")]
    cells = [
        (
            str(send.id),
            send.state,
            utc_minute(send.requested_at),
            harmless(send.address),
            harmless(send.actor),
            harmless((send.text or send.kind)[:60]),
            harmless("; ".join(filter(None, (send.reason, _heard(silence.get(send.id)), send_help(send))))),
        )
        for send in found.sends
    ]
    show(aligned([head, *([Text(cell) for cell in row] for row in cells)]))
    if found.next:
        show(["", Text(f"next page: --after {found.next}", "dim")])


@messages.command("show")
@click.argument("id_", metavar="ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def show_(installation: "Installation", id_: UUID, as_json: bool) -> None:
    """Show a message, with every attempt to send it and every status of Meta."""
    from domain.times import rfc3339
    from infra.postgres.connections.pool import connect
    from infra.postgres.sending.sends import find
    from infra.postgres.sending.unknown import silences
    from witiop.cli.views.display import harmless, show, show_json

    inbound = _inbound(installation)
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = find(connection, id_)
        silence = silences(connection, inbound, found[:1] if found else [])
    if found is None:
        raise CommandFailed(f"there is no message {id_}", "no_such_message")
    send, log = found
    document = {**_row(send, silence.get(send.id)), "pricing": send.pricing}
    history: list[dict[str, Any]] = [
        {
            "at": rfc3339(entry.at),
            "attempt": entry.attempt,
            "event": entry.event,
            "actor": entry.actor,
            "code": entry.code,
            "reason": entry.reason,
            "milliseconds": entry.milliseconds,
        }
        for entry in log
    ]
    if as_json:
        show_json({**document, "history": history})
        return
    show(f"{key:<15}  {harmless(str(value))}" for key, value in document.items() if value is not None)
    show([""])
    show(f"{e['at']}  {e['event']} by {harmless(e['actor'])} {harmless(e['reason'] or '')}".rstrip() for e in history)


@messages.command()
@click.argument("id_", metavar="ID", type=click.UUID)
@click.option("--assume-sent", "as_", flag_value="assumed_sent", help="The customer got it.")
@click.option("--again", "as_", flag_value="send_again", help="Send it again, even if the customer may get it twice.")
@command_options
@click.pass_obj
def resolve(installation: "Installation", /, id_: UUID, as_: str | None, **options: Any) -> None:  # noqa: ANN401
    """Settle a message of which nobody knows whether it was sent."""
    from domain.commands import Resolve

    if as_ is None:
        raise click.UsageError("use either --assume-sent or --again")
    carry_out(installation, Resolve, {"send_id": id_, "as": as_}, **options)


def _row(send: "Send", silence: "Silence | None") -> dict[str, Any]:
    """Returns a row of the list. Keys may be added, never removed. `probably_not_sent`: None unless the send is
    unknown; `help`: what a person can do, None: nothing is wrong."""
    from domain.contract.send_help import send_help
    from domain.sending.document import send_document
    from domain.times import rfc3339

    return {
        **send_document(send),
        "to": send.address,
        "text": send.text,
        "help": send_help(send),
        "probably_not_sent": silence.is_telling if silence else None,
        "heard_until": rfc3339(silence.heard_until) if silence else None,
    }


def _heard(silence: "Silence | None") -> str | None:
    """Returns what is known of an unknown send, for people."""
    from witiop.cli.views.display import utc_minute

    if silence is None:
        return None
    return "probably not sent" if silence.is_telling else f"no status until {utc_minute(silence.heard_until)}"


def _inbound(installation: "Installation") -> str:
    """Returns the name of the inbound topic."""
    from witiop.wiring import from_settings

    return from_settings.topics(installation.settings("postgres_dsn")).inbound
