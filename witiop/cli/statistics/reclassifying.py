"""`witiop stats reclassify`: what a directory file would have made of the last days."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from domain.directory import Directory
    from domain.statistics.reclassify import LeftTo
    from witiop.installation import Installation

_SHOWN = 50


@click.command()
@click.option(
    "--directory",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="The directory file to try; it is not applied.",
)
@click.option("--days", type=click.IntRange(1, 400), default=30, show_default=True, help="The last days.")
@click.option("--number", metavar="N", help="Only this business number (its Meta id).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def reclassify(installation: "Installation", file: Path, days: int, number: str | None, as_json: bool) -> None:
    """Tell what another menu, other hours or skillsets would have made of conversations. Changes nothing.

    What people and rules did stays as it was: each conversation counts until then. Names and phones of customers are
    not shown.
    """
    from domain.times import rfc3339
    from infra.postgres.connections.pool import connect
    from infra.postgres.statistics.reclassify import reclassified
    from witiop.cli.views.display import harmless, show, show_json, utc_minute
    from witiop.directory_file import DirectoryFileError, read_directory

    try:
        tried = read_directory(file)
    except DirectoryFileError as error:
        for problem in error.problems:
            click.echo(harmless(str(problem)), err=True)
        raise CommandFailed(f"problems to fix in {file}: {len(error.problems)}", "directory_file_refused") from error
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = reclassified(connection, tried, days, None if number is None else [number])
    if as_json:
        places = sorted({*found.was, *found.would_be}, key=lambda each: (-found.was.get(each, 0), str(each)))
        show_json(
            {
                "counts": [
                    {**_document(each), "was": found.was.get(each, 0), "would_be": found.would_be.get(each, 0)}
                    for each in places
                ],
                "rows": [
                    {
                        "conversation_id": str(row.conversation_id),
                        "phone_number_id": row.phone_number_id,
                        "opened_at": rfc3339(row.opened_at),
                        "was": _document(row.was),
                        "would_be": _document(row.would_be),
                        "answered": row.answered,
                    }
                    for row in found.differently
                ],
                "looked_at": found.looked_at,
                "decided_before": found.decided_before,
                "since": found.since and rfc3339(found.since),
            }
        )
        return
    n = len(found.differently)
    show([f"{n:,} conversations would have gone differently; {found.never_answered:,} of them were never answered."])
    show(
        f"  {moved:,}: {harmless(_words(was, tried))} -> {harmless(_words(would_be, tried))}"
        for was, would_be, moved in found.moves
    )
    looked = f"{found.looked_at:,} conversations were looked at"
    show([f"{looked}." if found.since is None else f"{looked}: those since {utc_minute(found.since)} UTC."])
    if found.decided_before:
        show([f"{found.decided_before:,} of them went to somebody at once and are not counted."])
    show(f"{utc_minute(row.opened_at)}  {row.conversation_id}" for row in found.differently[:_SHOWN])
    if n > _SHOWN:
        show([f"and {n - _SHOWN:,} more: see --json"])


def _document(of: "LeftTo") -> dict[str, str | None]:
    return {"reason": of.reason, "skillset": of.skillset}


def _words(of: "LeftTo", directory: "Directory") -> str:
    if of.skillset is not None:
        skillset = directory.skillsets.get(of.skillset)
        return f"queued for {skillset.name if skillset else of.skillset}"
    return of.reason or "no conversation"
