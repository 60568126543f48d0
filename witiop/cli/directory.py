"""`witiop directory`: applies and shows the directory file with numbers, skillsets and users (interface.md)."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the driver is slow to import: `--help` does without
    from witiop.installation import Installation


@click.group()
def directory() -> None:
    """Numbers, skillsets and users."""


@directory.command("apply")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def apply_(installation: "Installation", file: Path, as_json: bool) -> None:
    """Replace the directory with FILE.

    Entries that are not in FILE are removed. Applies all changes or none. Conversations of a removed user or skillset
    become unmanaged again, unless an agent has accepted them.
    """
    from consumers.changes.directory import apply_directory
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.display import harmless, show_json
    from witiop.directory_file import DirectoryFileError, read_directory
    from witiop.wiring import from_settings

    try:
        requested = read_directory(file)
    except DirectoryFileError as error:
        for problem in error.problems:
            click.echo(harmless(str(problem)), err=True)
        raise CommandFailed(
            f"nothing was changed: problems to fix in {file}: {len(error.problems)}", "directory_file_refused"
        ) from error
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        changes = apply_directory(connection, requested, from_settings.topics(installation.settings()))
    if as_json:
        made = [change._asdict() for change in changes.made]
        show_json({"outcome": "applied", "version": changes.version, "changes": made})
        return
    for change in changes.made:
        click.echo(f"{change.action} {change.kind} {harmless(change.id)}")
    if not changes.made:
        click.echo("no changes")


@directory.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a directory file.")
@click.pass_obj
def show_(installation: "Installation", as_json: bool) -> None:
    """Show the directory as a directory file.

    Comments show presence. `directory apply` accepts the output.
    """
    from infra.postgres.connections.clock import database_now
    from infra.postgres.connections.pool import connect
    from infra.postgres.conversations.agents import Agents
    from infra.postgres.directory import read
    from witiop.cli.views.directory import Presence, directory_text, directory_with_presence
    from witiop.cli.views.display import show_json
    from witiop.wiring import from_settings

    presence_timeout = from_settings.routing_policy(installation.settings()).presence_timeout
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        version, current = read(connection)
        presence = Presence(Agents(connection).all_with_presence(), database_now(connection), presence_timeout)
    if as_json:
        document = directory_with_presence(current, presence)
        show_json({"version": version, **{f"{kind}s": tables for kind, tables in document.items()}})
    else:
        click.echo(directory_text(current, presence), nl=False)
