"""`witiop dead-letters`: lists, shows and replays unreadable bodies and poison records (interface.md)."""

import sys
from base64 import b64encode
from typing import TYPE_CHECKING
from uuid import UUID

import click

from witiop.cli.reading import CursorType
from witiop.exit_codes import REFUSED, CommandFailed, NotReachable

if TYPE_CHECKING:  # the drivers are slow to import: `--help` does without
    from infra.postgres.lists.cursor import Cursor
    from infra.postgres.messaging.dead_letter_queries import DeadLetterRow
    from witiop.installation import Installation

SHOWN_CHARACTERS = 2000
"""Characters of a body that `show` prints without `--raw`."""


@click.group("dead-letters")
def dead_letters() -> None:
    """Unreadable bodies and poison records.

    They could not be read or processed, and are stored with their raw bytes.
    """


@dead_letters.command("list")
@click.option("--rows", type=click.IntRange(10, 100), default=10, show_default=True, help="Rows per page.")
@click.option("--after", type=CursorType(), metavar="CURSOR", help="Continue where the previous page ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_(installation: "Installation", rows: int, after: "Cursor | None", as_json: bool) -> None:
    """List dead letters, newest first."""
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
        show(["There are no dead letters."])
        return
    head = [Text(title, "bold") for title in ("ID", "KIND", "SOURCE", "RECEIVED (UTC)", "BYTES", "REPLAYED", "REASON")]
    cells = [
        (
            str(row.id),
            row.kind,
            row.source,
            utc_minute(row.received_at),
            f"{row.bytes:,}",
            utc_minute(row.replayed_at) if row.replayed_at else "no",
            harmless(row.reason),
        )
        for row in found.rows
    ]
    show(aligned([head, *([Text(cell) for cell in row] for row in cells)]))
    if found.next:
        show(["", Text(f"next page: --after {found.next}", "dim")])


@dead_letters.command("show")
@click.argument("id_", metavar="ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, with the bytes as base64.")
@click.option("--raw", is_flag=True, help="Write the original bytes and nothing else.")
@click.pass_obj
def show_(installation: "Installation", id_: UUID, as_json: bool, raw: bool) -> None:
    """Show a dead letter with its raw bytes.

    The bytes may contain what customers wrote.
    """
    from infra.postgres.connections.pool import connect
    from infra.postgres.messaging.dead_letter_queries import find
    from witiop.cli.views.display import harmless, show, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = find(connection, id_)
    if found is None:
        raise CommandFailed(f"there is no dead letter {id_}", "dead_letter_unknown")
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
        show([f"... {len(found.raw):,} bytes in total; --raw writes all of them"])


@dead_letters.command("replay")
@click.argument("ids", metavar="[ID]...", type=click.UUID, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Replay every dead letter that was never replayed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def replay_(installation: "Installation", ids: tuple[UUID, ...], everything: bool, as_json: bool) -> None:
    """Send dead letters through the topic again.

    Fix their cause first: an update that is still unreadable stays a dead letter.
    """
    from domain.ports import PublishFailed
    from infra.postgres.connections.pool import connect
    from infra.postgres.messaging.dead_letter_queries import waiting
    from witiop.cli.publishing import connected_publisher
    from witiop.cli.views.display import show_json
    from witiop.operations.replay import ReplayOutcome, replay
    from witiop.wiring import from_settings

    if bool(ids) == everything:
        raise click.UsageError("name the ids, or use --all")
    settings = installation.settings("kafka_bootstrap_servers", "postgres_dsn")
    topics = from_settings.topics(settings)
    outcomes: list[ReplayOutcome] = []
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        requested = waiting(connection) if everything else list(dict.fromkeys(ids))
        try:
            with connected_publisher(settings, [topics.inbound, topics.unreadable]) as kafka:
                for outcome in replay(connection, kafka, topics, requested):
                    outcomes.append(outcome)
                    line = f"{outcome.id}: {outcome.failure or 'replayed'}"
                    click.echo(line, err=as_json or bool(outcome.failure))
        except PublishFailed as error:
            raise NotReachable(f"{error} ({len(outcomes)} of {len(requested)} were handled)") from error
    failed = [outcome for outcome in outcomes if outcome.failure]
    if as_json:
        show_json(
            {
                "outcome": "rejected" if failed else "applied",
                "reason": "not_replayed" if failed else None,
                "replayed": [str(outcome.id) for outcome in outcomes if not outcome.failure],
                "failed": [{"id": str(outcome.id), "reason": outcome.failure} for outcome in failed],
            }
        )
    elif not requested:
        click.echo("there are no dead letters to replay")
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
        "replayed_at": row.replayed_at and rfc3339(row.replayed_at),
    }
