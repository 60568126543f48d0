"""`witiop directory`: applies and shows the directory file with numbers, skillsets and users (interface.md), and its
versions."""

import io
import sys
from collections.abc import Callable
from dataclasses import asdict
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from witiop.cli.commands import issuer_or_default
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the driver is slow to import: `--help` does without
    from psycopg import Connection

    from domain.directory import Directory
    from witiop.installation import Installation

LONGEST_NOTE = 200
_HEADS = ("VERSION", "AT", "AUTHOR", "CHANGES", "NOTE")


@click.group()
def directory() -> None:
    """Numbers, skillsets and users."""


def _change_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of commands that change the directory."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines."),
        click.option("--note", default="", callback=_note, help="Why, for the list of versions."),
        click.option(
            "--as",
            "author",
            metavar="USER",
            callback=issuer_or_default,
            help="Author of the version (default: your user name on this machine).",
        ),
    ):
        command = option(command)
    return command


def _note(_ctx: click.Context, _option: click.Parameter, given: str) -> str:
    if len(given) > LONGEST_NOTE or not given.isprintable():
        raise click.BadParameter(f"at most {LONGEST_NOTE} characters on one line")
    return given


@directory.command("apply")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--expected-version", type=click.IntRange(0), help="Only if the directory still has this version.")
@_change_options
@click.pass_obj
def apply_(
    installation: "Installation", file: Path, expected_version: int | None, note: str, author: str, as_json: bool
) -> None:
    """Replace the directory with FILE, or with standard input if FILE is "-".

    Entries that are not in FILE are removed. Applies all changes or none. Conversations of a removed user or skillset
    become unmanaged again, unless an agent has accepted them. What the directory is then is kept as a version.
    """
    from witiop.cli.views.display import harmless
    from witiop.directory_file import DirectoryFileError, read_directory

    try:
        requested = read_directory(file)
    except DirectoryFileError as error:
        for problem in error.problems:
            click.echo(harmless(str(problem)), err=True)
        raise CommandFailed(
            f"nothing was changed: problems to fix in {file}: {len(error.problems)}", "directory_file_refused"
        ) from error
    _apply(installation, requested, author, note, as_json, expected_version)


@directory.command("versions")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, latest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def versions_(installation: "Installation", limit: int, as_json: bool) -> None:
    """List the versions of the directory."""
    from rich.text import Text

    from domain.times import rfc3339
    from infra.postgres import directory_versions
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.display import aligned, harmless, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = directory_versions.listed(connection, None, limit)
    if as_json:
        show_json({"versions": [{**asdict(each), "at": each.at and rfc3339(each.at)} for each in found]})
        return
    rows = [
        [str(v.version), f"{v.at:%Y-%m-%d %H:%M:%SZ}" if v.at else "", v.author or "", str(v.changed), v.note]
        for v in found
    ]
    for line in aligned([[Text(harmless(cell)) for cell in row] for row in (_HEADS, *rows)]):
        click.echo(line.plain)


@directory.command("diff")
@click.argument("before", type=click.IntRange(0))
@click.argument("after", type=click.IntRange(0), required=False)
@click.option("--text", "as_text", is_flag=True, help="Compare the texts line by line.")
@click.pass_obj
def diff_(installation: "Installation", before: int, after: int | None, as_text: bool) -> None:
    """Show what differs between version BEFORE and version AFTER (default: the current one)."""
    from domain.directory_file.difference import differences, document_of
    from domain.directory_file.wording import lines
    from infra.postgres import directory as stored
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.display import harmless

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        after = stored.version(connection) if after is None else after
        old, new = (_text_of(connection, each) for each in (before, after))
    if as_text:
        names = f"version {before}", f"version {after}"
        for line in unified_diff(old.splitlines(), new.splitlines(), *names, lineterm=""):
            click.echo(harmless(line))
        return
    changes = differences(document_of(old), document_of(new))
    for change in changes:
        for line in lines(change):
            click.echo(harmless(line))
    if not changes:
        click.echo("no differences")


@directory.command("roll-back")
@click.argument("version", type=click.IntRange(0))
@_change_options
@click.pass_obj
def roll_back_(installation: "Installation", version: int, note: str, author: str, as_json: bool) -> None:
    """Make the directory again what it was as VERSION. This is a new version."""
    from domain.directory_file.reader import InvalidDirectory, parse_directory
    from infra.postgres.connections.pool import connect

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        text = _text_of(connection, version)
    try:
        requested = parse_directory(text)
    except InvalidDirectory as error:
        raise CommandFailed(f"version {version} is no directory: {error}", "version_invalid") from error
    _apply(installation, requested, author, note or f"Version {version} again", as_json)


def _text_of(connection: "Connection[Any]", version: int) -> str:
    from infra.postgres.directory import text_of

    text = text_of(connection, version)
    if text is None:
        raise CommandFailed(f"there is no version {version} of the directory", "version_unknown")
    return text


def _apply(
    installation: "Installation",
    requested: "Directory",
    author: str,
    note: str,
    as_json: bool,
    expected_version: int | None = None,
) -> None:
    """Replaces the directory, and prints what changed."""
    from consumers.changes.directory import DirectoryConflict, apply_directory
    from infra.postgres.connections.pool import connect
    from infra.postgres.directory_versions import VersionOrigin
    from witiop.cli.views.display import harmless, show_json
    from witiop.wiring import from_settings

    topics = from_settings.topics(installation.settings())
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        changes = apply_directory(connection, requested, topics, VersionOrigin(author, note), expected_version)
    if isinstance(changes, DirectoryConflict):
        raise CommandFailed(
            f"nothing was changed: the directory has version {changes.version} now, not {expected_version} "
            f"(witiop directory diff {expected_version} shows what changed)",
            "version_conflict",
        )
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
        if isinstance(sys.stdout, io.TextIOWrapper):  # TOML is UTF-8, whatever the terminal shows
            sys.stdout.reconfigure(encoding="utf-8")
        click.echo(directory_text(current, presence), nl=False)
