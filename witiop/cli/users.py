"""`witiop users`: who may sign in at the console (interface.md). Passwords are asked for, never on the command line."""

import sys
from typing import TYPE_CHECKING, Any

import click

from witiop.cli.commands import user_here
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database's driver takes its time: `--help` does without
    from psycopg import Connection

    from infra.postgres.console.audit import AuditEvent
    from witiop.installation import Installation

_WEAK = {
    "too_short": "the password is too short: 12 characters at least",
    "too_long": "the password is too long: 128 characters at most",
    "common": "the password is one that others would guess: take a longer one, or words that do not belong together",
}

_FROM_STDIN = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the standard input instead of asking (for scripts)."
)


@click.group()
def users() -> None:
    """People who may sign in at the console."""


@users.command()
@click.argument("name", metavar="NAME")
@click.option("--administrator", is_flag=True, help="An administrator whom the directory's file never removes.")
@click.option("--shown-name", metavar="TEXT", help="An administrator's name as people read it.")
@_FROM_STDIN
@click.pass_obj
def create(
    installation: "Installation", name: str, administrator: bool, shown_name: str | None, password_stdin: bool
) -> None:
    """Let NAME sign in: a user of the directory with the level that they have there, or an administrator."""
    from infra.passwords import Passwords
    from infra.postgres import directory
    from infra.postgres.connections.pool import connect
    from infra.postgres.console import sign_ins

    if not name.isprintable() or not 1 <= len(name) <= 256 or name != name.strip():
        raise click.BadParameter("1 to 256 characters on one line", param_hint="NAME")
    dsn = installation.postgres_dsn
    with connect(dsn, "cli", autocommit=True) as connection:
        if not administrator and name not in directory.read(connection)[1].users:
            raise CommandFailed(
                f"the directory has no user {name}: use its id, or --administrator for somebody who is in no directory",
                "user_unknown",
            )
        if sign_ins.password_of(connection, name) is not None:
            raise _there_already(name)
    kept = Passwords().hash(_password(password_stdin, [name, shown_name or ""]))
    with connect(dsn, "cli", autocommit=True) as connection, connection.transaction():
        if not sign_ins.create(connection, name, kept, administrator=administrator, shown_name=shown_name):
            raise _there_already(name)
        _audit(connection, "sign_in_made", of=name, administrator=administrator)
    click.echo(f"{name} can sign in")


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.pass_obj
def list_(installation: "Installation", as_json: bool) -> None:
    """List who may sign in, and who is signed in."""
    from rich.text import Text

    from domain.times import rfc3339
    from infra.postgres.connections.pool import connect
    from infra.postgres.console.sign_ins import everybody
    from witiop.cli.views.display import aligned, harmless, show, show_json, utc_minute
    from witiop.wiring import from_settings

    terms = from_settings.session_terms(installation.settings())
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = everybody(connection, terms)
    if as_json:
        rows = [
            {
                "name": each.name,
                "shown_name": each.shown_name,
                "level": each.level,
                "sessions": each.sessions,
                "seen_at": each.seen_at and rfc3339(each.seen_at),
            }
            for each in found
        ]
        show_json({"rows": rows})
        return
    if not found:
        show(["Nobody can sign in yet: witiop users create NAME --administrator"])
        return
    head = [Text(title, "bold") for title in ("NAME", "CALLED", "LEVEL", "SESSIONS", "LAST SEEN (UTC)")]
    cells = [
        (
            harmless(each.name),
            harmless(each.shown_name),
            each.level or "not in the directory",
            str(each.sessions),
            utc_minute(each.seen_at) if each.seen_at else "",
        )
        for each in found
    ]
    show(aligned([head, *([Text(cell) for cell in row] for row in cells)]))


@users.command("reset-password")
@click.argument("name", metavar="NAME")
@_FROM_STDIN
@click.pass_obj
def reset_password(installation: "Installation", name: str, password_stdin: bool) -> None:
    """Give NAME a new password, and end their sessions."""
    from infra.passwords import Passwords
    from infra.postgres.connections.pool import connect
    from infra.postgres.console import sign_ins

    dsn = installation.postgres_dsn
    with connect(dsn, "cli", autocommit=True) as connection:
        if sign_ins.password_of(connection, name) is None:
            raise _no_such(name)
    kept = Passwords().hash(_password(password_stdin, [name]))
    with connect(dsn, "cli", autocommit=True) as connection, connection.transaction():
        sign_ins.set_password(connection, name, kept)
        sign_ins.forget_tries(connection, name)
        ended = sign_ins.end_sessions(connection, name)
        _audit(connection, "password_reset", of=name)
    click.echo(f"{name} has a new password; sessions ended: {ended}")


@users.command("end-sessions")
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--everybody", is_flag=True, help="Of everybody.")
@click.pass_obj
def end_sessions(installation: "Installation", name: str | None, everybody: bool) -> None:
    """Sign NAME out everywhere, or everybody."""
    from infra.postgres.connections.pool import connect
    from infra.postgres.console import sign_ins

    if (name is None) == (not everybody):
        raise click.UsageError("say either NAME or --everybody")
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection, connection.transaction():
        if name is not None and sign_ins.password_of(connection, name) is None:
            raise _no_such(name)
        ended = sign_ins.end_sessions(connection, name)
        _audit(connection, "sessions_ended", of=name, sessions=ended)
    click.echo(f"sessions ended: {ended}")


def _audit(connection: "Connection[Any]", event: "AuditEvent", **detail: object) -> None:
    from infra.postgres.console import audit

    audit.write(connection, [audit.AuditEntry(event, user_here(), None, detail=detail)])


def _password(from_stdin: bool, about: list[str]) -> str:
    from infra.passwords import weakness

    if from_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    if weak := weakness(password, [each for each in about if each]):
        raise CommandFailed(_WEAK[weak], "weak_password")
    return password


def _there_already(name: str) -> CommandFailed:
    return CommandFailed(f"{name} has a sign-in already: see users reset-password", "there_already")


def _no_such(name: str) -> CommandFailed:
    return CommandFailed(f"nobody signs in as {name}: see users list", "no_such_sign_in")
