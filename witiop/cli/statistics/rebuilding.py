"""`witiop stats rebuild`."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # the drivers are slow to import: `--help` does without
    from witiop.installation import Installation


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def rebuild(installation: "Installation", as_json: bool) -> None:
    """Count all conversations again.

    Everything goes on meanwhile. It may be stopped and begun again at any time. Needed after the time zone of a number
    was changed, after a version that counts differently, or if witiop doctor says so.
    """
    from infra.postgres import directory
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.display import show, show_json
    from witiop.operations.statistics import Recount
    from witiop.operations.statistics import rebuild as counting

    done = Recount(0, 0)
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        _, company = directory.read(connection)
        for done in counting(connection, company):
            if not as_json and not done.days and done.conversations % 100_000 == 0 and done.conversations:
                click.echo(f"{done.conversations:,} conversations ...", err=True)
    if as_json:
        show_json(done._asdict())
    else:
        show(
            [
                f"{done.conversations:,} conversations counted, {done.wrong_conversations:,} of them differently",
                f"{done.days:,} days added up, {done.wrong_cells:,} numbers corrected",
            ]
        )
