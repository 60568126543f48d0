"""`witiop deferred`: transfers that wait for an answer of the customer (`witiop transfer --on-reply`)."""

import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import click

from domain.conversations.reasons import Reason
from witiop.cli.commands import carry_out, command_body, command_options, new, promise_body, promise_options, results_of
from witiop.exit_codes import REFUSED

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


@deferred.command()
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@click.option("--reason", type=click.Choice([reason.value for reason in Reason]), help="Without ID: with this reason.")
@click.option("--number", metavar="ID", help="Without ID: of this phone number id.")
@click.option("--search", default="", metavar="WORDS", help="Without ID: with these words, as in the console.")
@click.option(
    "--most", type=click.IntRange(1, 1000), default=1000, show_default=True, help="Without ID: at most so many."
)
@promise_options
@click.option("--yes", is_flag=True, help="Send the templates. Without it nothing is sent: this is the dry run.")
@command_options
@click.pass_obj
def request(
    installation: "Installation",
    /,
    ids: tuple[UUID, ...],
    reason: str | None,
    number: str | None,
    search: str,
    most: int,
    yes: bool,
    issuer: str,
    wait: float,
    as_json: bool,
    **promise: Any,  # noqa: ANN401
) -> None:
    """Request transfers on reply of many closed conversations.

    Each ID is the id of a conversation; without one, all closed ones on the list that match, the latest first. Says how
    many customers would get the template, and why the others would not. With --yes it is sent to them, and what they
    answer is transferred.
    """
    from domain.commands import TransferOnReply
    from infra.postgres.connections.clock import database_now
    from infra.postgres.connections.pool import connect
    from infra.postgres.directory import DirectoryCache
    from infra.postgres.lists.console import page
    from infra.postgres.lists.unmanaged import UnmanagedFilter
    from infra.postgres.wish_plans import plan_wishes
    from witiop.cli.views.display import show, show_json
    from witiop.cli.views.promises import plan_document, plan_lines
    from witiop.wiring import from_settings

    settings = installation.settings(*(("kafka_bootstrap_servers", "command_secrets") if yes else ()))
    body = promise_body(**promise) | {"batch_id": str(uuid4())}
    with connect(installation.postgres_dsn, "cli", autocommit=True, generic_plans=True) as connection:
        more = False
        if not ids:
            which = UnmanagedFilter("closed", Reason(reason) if reason else None, number, tuple(search.split()))
            found = page(connection, which, most)
            ids, more = tuple(row.id for row in found.rows), found.after is not None
        command = command_body(TransferOnReply, body | {"conversation_id": UUID(int=0)})
        policy, directory = from_settings.sending_policy(settings), DirectoryCache().read(connection)
        plan = plan_wishes(connection, command, ids, issuer, policy, directory, database_now(connection))
    results: list[dict[str, Any]] = []
    if yes and plan.able:
        now = installation.now()
        commands = [new(command.model_copy(update={"conversation_id": id_}), issuer, now) for id_ in plan.able]
        results = results_of(settings, commands, wait)
    if as_json:
        show_json(plan_document(plan, more=more, batch_id=body["batch_id"] if results else None, results=results))
    else:
        show(plan_lines(plan, more=more, results=results, is_dry_run=not yes))
    sys.exit(0 if all(each["outcome"] in ("applied", "published") for each in results) else REFUSED)


def _row(listed: "ListedWish") -> dict[str, Any]:
    """Returns a row of the list. Keys may be added, never removed."""
    from domain.wishes.document import wish_document

    return {**wish_document(listed.wish, listed.send), "text": listed.text}
