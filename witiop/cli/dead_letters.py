"""`witiop set-aside`: unreadable bodies and dead letters; look at them, send them through again (interface.md)."""

import sys
from base64 import b64encode
from typing import TYPE_CHECKING
from uuid import UUID

import click

from witiop.cli.reading import CursorType
from witiop.exits import REFUSED, CommandFailed, NotReachable

if TYPE_CHECKING:  # the drivers take their time: `--help` does without
    from infra.postgres.lists.cursor import Cursor
    from infra.postgres.messaging.dead_letter_queries import DeadLetterRow
    from witiop.installation import Installation

SHOWN_CHARACTERS = 2000
"""Of a body, without `--raw`."""


@click.group("set-aside")
def set_aside() -> None:
    """What was signed but could not be read, or not be worked in; nothing of it is lost."""


@set_aside.command("list")
@click.option("--rows", type=click.IntRange(10, 100), default=10, show_default=True, help="Rows of the page.")
@click.option("--after", type=CursorType(), metavar="CURSOR", help="Go on where another page ended.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.pass_obj
def list_(installation: "Installation", rows: int, after: "Cursor | None", as_json: bool) -> None:
    """List what was set aside, the latest first."""
    from rich.text import Text

    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.cursor import START
    from infra.postgres.messaging.dead_letter_queries import page
    from witiop.cli.views.display import aligned, harmless, show, show_json, utc_minute

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = page(connection, rows, after or START)
    if as_json:
        show_json({"rows": [_document(row) for row in found.rows], "next": found.next and str(found.next)})
        return
    if not found.rows:
        show(["Nothing was set aside."])
        return
    head = [Text(title, "bold") for title in ("ID", "KIND", "SOURCE", "RECEIVED (UTC)", "BYTES", "REDRIVEN", "REASON")]
    cells = [
        (
            str(row.id),
            row.kind,
            row.source,
            utc_minute(row.received_at),
            f"{row.bytes:,}",
            utc_minute(row.redriven_at) if row.redriven_at else "no",
            harmless(row.reason),
        )
        for row in found.rows
    ]
    show(aligned([head, *([Text(cell) for cell in row] for row in cells)]))
    if found.next:
        show(["", Text(f"the next page: --after {found.next}", "dim")])


@set_aside.command("show")
@click.argument("id_", metavar="ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="One JSON document, the bytes as base64.")
@click.option("--raw", is_flag=True, help="The bytes as they came, and nothing else.")
@click.pass_obj
def show_(installation: "Installation", id_: UUID, as_json: bool, raw: bool) -> None:
    """Show one of them with its bytes, which hold what customers wrote."""
    from infra.postgres.connections.pool import connect
    from infra.postgres.messaging.dead_letter_queries import find
    from witiop.cli.views.display import harmless, show, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = find(connection, id_)
    if found is None:
        raise CommandFailed(f"nothing was set aside as {id_}", "set_aside_unknown")
    if raw:
        click.echo(found.raw, nl=False)
        return
    document = {
        **_document(found.row),
        "source": found.row.source,
        "topic": found.topic,
        "partition": found.partition,
        "offset": found.offset,
    }
    if as_json:
        show_json({**document, "raw": b64encode(found.raw).decode()})
        return
    text = found.raw.decode(errors="backslashreplace")
    show(f"{key:<12}  {harmless(str(value))}" for key, value in document.items())
    show(["", *(harmless(line) for line in text[:SHOWN_CHARACTERS].splitlines())])
    if len(text) > SHOWN_CHARACTERS:
        show([f"... of {len(found.raw):,} bytes; --raw writes all of them"])


@set_aside.command()
@click.argument("ids", metavar="[ID]...", type=click.UUID, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that never went through again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.pass_obj
def replay(installation: "Installation", ids: tuple[UUID, ...], everything: bool, as_json: bool) -> None:
    """Send them through again, after what was wrong is cured."""
    from domain.ports import PublishFailed
    from infra.postgres.connections.pool import connect
    from infra.postgres.messaging.dead_letter_queries import waiting
    from witiop.cli.publishing import publisher
    from witiop.cli.views.display import show_json
    from witiop.operations.redrive import ReplayOutcome, replay
    from witiop.wiring import from_settings

    if bool(ids) == everything:
        raise click.UsageError("name the ids, or use --all")
    settings = installation.settings("kafka_bootstrap_servers", "postgres_dsn")
    topics = from_settings.topics(settings)
    outcomes: list[ReplayOutcome] = []
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        wanted = waiting(connection) if everything else list(dict.fromkeys(ids))
        try:
            with publisher(settings, [topics.inbound, topics.unreadable]) as kafka:
                for outcome in replay(connection, kafka, topics, wanted):
                    outcomes.append(outcome)
                    line = f"{outcome.id}: {outcome.failure or 'went through again'}"
                    click.echo(line, err=as_json or bool(outcome.failure))
        except PublishFailed as error:
            raise NotReachable(f"{error} ({len(outcomes)} of {len(wanted)} were done)") from error
    failed = [outcome for outcome in outcomes if outcome.failure]
    if as_json:
        show_json(
            {
                "outcome": "rejected" if failed else "applied",
                "reason": "not_redriven" if failed else None,
                "redriven": [str(outcome.id) for outcome in outcomes if not outcome.failure],
                "failed": [{"id": str(outcome.id), "reason": outcome.failure} for outcome in failed],
            }
        )
    elif not wanted:
        click.echo("nothing waits to be redriven")
    if failed:
        sys.exit(REFUSED)


def _document(row: "DeadLetterRow") -> dict[str, object]:
    from domain.times import rfc3339

    return {
        "id": str(row.id),
        "kind": row.kind,
        "reason": row.reason,
        "received_at": rfc3339(row.received_at),
        "bytes": row.bytes,
        "redriven_at": row.redriven_at and rfc3339(row.redriven_at),
    }
