"""`witiop deferred`: transfers that wait for an answer of the customer (`witiop transfer --on-reply`)."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from witiop.cli.commands import carry_out, command_options

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from domain.wishes.wish import WishState
    from infra.postgres.wishes import ListedWish
    from witiop.installation import Installation

_STATES = ("waiting", "armed", "executed", "ended")


@click.group()
def deferred() -> None:
    """Transfers that wait until the customer answers a template."""


@deferred.command("list")
@click.option(
    "--rows", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many, the latest."
)
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_(installation: "Installation", rows: int, state: "WishState | None", as_json: bool) -> None:
    """List transfers on reply, the latest first."""
    from rich.text import Text

    from domain.wishes.wish import WISH_STATES, shown_state
    from infra.postgres.connections.pool import connect
    from infra.postgres.wishes import listed
    from witiop.cli.views.display import aligned, harmless, show, show_json, utc_minute

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = listed(connection, [state] if state else WISH_STATES, rows)
    if as_json:
        show_json({"rows": [_row(each) for each in found]})
        return
    if not found:
        show(["There are no transfers on reply."])
        return
    head = [Text(title, "bold") for title in ("ID", "STATE", "UNTIL (UTC)", "TO", "MODE", "BY", "CONVERSATION", "TEXT")]
    cells = [
        (
            str(wish.id),
            f"{shown_state(wish, send)} {wish.ended_because or ''}".rstrip(),
            utc_minute(wish.ends_at),
            f"{wish.target_kind} {harmless(wish.target_id)}",
            wish.mode,
            harmless(wish.actor),
            str(wish.executed_in or wish.conversation_id),
            harmless((text or "")[:60]),
        )
        for wish, send, text in found
    ]
    show(aligned([head, *([Text(cell) for cell in row] for row in cells)]))


@deferred.command()
@click.argument("id_", metavar="ID", type=click.UUID)
@command_options
@click.pass_obj
def cancel(installation: "Installation", /, id_: UUID, **options: Any) -> None:  # noqa: ANN401
    """Cancel a transfer on reply; its template is recalled if it still waits."""
    from domain.commands import Recall

    carry_out(installation, Recall, {"deferred_id": id_}, **options)


def _row(listed: "ListedWish") -> dict[str, Any]:
    """Returns a row of the list. Keys may be added, never removed."""
    from domain.wishes.document import wish_document

    return {**wish_document(listed.wish, listed.send), "text": listed.text}
