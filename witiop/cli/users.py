"""`witiop users`: manages sign-ins to the console (interface.md). Passwords never appear on the command line."""

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import click

from witiop.cli.commands import operating_system_user
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from collections.abc import Iterator

    from psycopg import Connection

    from domain.directory import Directory, Level
    from infra.postgres.console.audit import AuditEvent
    from witiop.installation import Installation

_LONGEST_NAME, _LONGEST_SHOWN_NAME, _LONGEST_LINE = 256, 200, 4096

_LEVELS = ("tenant_administrator", "read_only", "campaign_manager", "supervisor")
"""Those that a sign-in can have of its own; agents have theirs from the directory."""

_FROM_STDIN = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it."
)


@click.group()
def users() -> None:
    """Users who can sign in to the console."""


@users.command()
@click.argument("name", metavar="NAME")
@click.option(
    "--administrator",
    is_flag=True,
    help="Create an administrator, who needs no entry in the directory and is never removed by it.",
)
@click.option("--level", type=click.Choice(_LEVELS), help="Create somebody with this level, as --administrator does.")
@click.option("--skillset", "skillsets", metavar="ID", multiple=True, help="Skillset of a supervisor; repeatable.")
@click.option("--provider", is_flag=True, help="They sign in at the OpenID provider, without a password here.")
@click.option("--shown-name", metavar="TEXT", help="Display name of somebody who is not in the directory.")
@_FROM_STDIN
@click.pass_obj
def create(
    installation: "Installation",
    name: str,
    administrator: bool,
    level: "Level | None",
    skillsets: tuple[str, ...],
    provider: bool,
    shown_name: str | None,
    password_stdin: bool,
) -> None:
    """Let NAME sign in to the console.

    NAME is a user of the directory, with the level given there, or becomes an administrator.
    """
    from infra.passwords import Passwords
    from infra.postgres import directory
    from infra.postgres.connections.pool import connect
    from infra.postgres.console import people, sign_ins

    if not _is_one_line(name, _LONGEST_NAME):
        raise click.BadParameter(f"1 to {_LONGEST_NAME} characters on one line", param_hint="NAME")
    if shown_name is not None and not _is_one_line(shown_name, _LONGEST_SHOWN_NAME):
        raise click.BadParameter(f"1 to {_LONGEST_SHOWN_NAME} characters on one line", param_hint="--shown-name")
    dsn = installation.postgres_dsn
    with connect(dsn, "cli", autocommit=True) as connection:
        company = directory.read(connection)[1]
        level = "tenant_administrator" if administrator else level
        own = _own_skillsets(level, skillsets, company)
        if level is None and name not in company.users:
            raise CommandFailed(
                f"the directory has no user {name}: use an id of the directory, or add --administrator or --level",
                "user_unknown",
            )
        if sign_ins.password_of(connection, name) is not None:
            raise _already_exists(name)
    hashed = None if provider else Passwords().hash(_password(password_stdin, [name, shown_name or ""]))
    with connect(dsn, "cli", autocommit=True) as connection, connection.transaction():
        if not people.create(connection, name, hashed, level=level, skillsets=own, shown_name=shown_name):
            raise _already_exists(name)
        _audit(connection, "sign_in_made", of=name, level=level, skillsets=own, provider=provider)
    click.echo(f"{name} can sign in")


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_(installation: "Installation", as_json: bool) -> None:
    """List the users who can sign in.

    Also shows their open sessions and when they were last seen.
    """
    from rich.text import Text

    from domain.times import rfc3339
    from infra.postgres.connections.pool import connect
    from infra.postgres.console.people import everybody
    from witiop.cli.views.display import aligned, harmless, show, show_json, utc_minute
    from witiop.wiring import from_settings

    policy = from_settings.session_terms(installation.settings())
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = everybody(connection, policy)
    if as_json:
        rows = [
            {
                "name": user.name,
                "shown_name": user.shown_name,
                "level": user.level,
                "skillsets": list(user.skillsets) if user.level == "supervisor" else [],
                "signs_in_with": user.signs_in_with,
                "disabled": user.disabled_at is not None,
                "signed_in_at": user.signed_in_at and rfc3339(user.signed_in_at),
                "sessions": user.sessions,
                "seen_at": user.seen_at and rfc3339(user.seen_at),
            }
            for user in found
        ]
        show_json({"rows": rows})
        return
    if not found:
        show(["There are no users yet. Create one with witiop users create NAME --administrator."])
        return
    head = [Text(title, "bold") for title in ("NAME", "DISPLAY NAME", "LEVEL", "SESSIONS", "LAST SEEN (UTC)")]
    cells = [
        (
            harmless(user.name),
            harmless(user.shown_name),
            user.level or ("disabled" if user.disabled_at else "not in the directory"),
            str(user.sessions),
            utc_minute(user.seen_at) if user.seen_at else "",
        )
        for user in found
    ]
    show(aligned([head, *([Text(cell) for cell in row] for row in cells)]))


@users.command("reset-password")
@click.argument("name", metavar="NAME")
@_FROM_STDIN
@click.pass_obj
def reset_password(installation: "Installation", name: str, password_stdin: bool) -> None:
    """Set a new password for NAME.

    Ends the sessions of NAME and lifts a lock after too many attempts.
    """
    from infra.passwords import Passwords
    from infra.postgres.connections.pool import connect
    from infra.postgres.console import people, sign_ins

    dsn = installation.postgres_dsn
    with connect(dsn, "cli", autocommit=True) as connection:
        if sign_ins.password_of(connection, name) is None:
            raise _unknown(name)
    hashed = Passwords().hash(_password(password_stdin, [name]))
    with connect(dsn, "cli", autocommit=True) as connection, connection.transaction():
        ended = people.reset_password(connection, name, hashed, must_change=False)
        if ended is None:
            raise _at_provider(name)
        _audit(connection, "password_reset", of=name)
    click.echo(f"{name} has a new password; sessions ended: {ended}")


@users.command("end-sessions")
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--everybody", is_flag=True, help="End the sessions of all users.")
@click.pass_obj
def end_sessions(installation: "Installation", name: str | None, everybody: bool) -> None:
    """End all sessions of NAME, or of everybody."""
    from infra.postgres.connections.pool import connect
    from infra.postgres.console import sign_ins

    if (name is None) == (not everybody):
        raise click.UsageError("use either NAME or --everybody")
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection, connection.transaction():
        if name is not None and sign_ins.password_of(connection, name) is None:
            raise _unknown(name)
        ended = sign_ins.end_sessions(connection, name)
        _audit(connection, "sessions_ended", of=name, sessions=ended)
    click.echo(f"sessions ended: {ended}")


@users.command("level")
@click.argument("name", metavar="NAME")
@click.argument("level", type=click.Choice((*_LEVELS, "directory")))
@click.option("--skillset", "skillsets", metavar="ID", multiple=True, help="Skillset of a supervisor; repeatable.")
@click.pass_obj
def change_level(
    installation: "Installation", name: str, level: "Level | Literal['directory']", skillsets: tuple[str, ...]
) -> None:
    """Give NAME a level of its own; directory: the one that the directory gives."""
    from infra.postgres import directory
    from infra.postgres.console import people

    own_level = None if level == "directory" else level
    with _known(installation, name) as connection:
        own = _own_skillsets(own_level, skillsets, directory.read(connection)[1])
        if not people.set_level(connection, name, own_level, own):
            raise _last(name)
        _audit(connection, "level_changed", of=name, level=own_level, skillsets=own)
    click.echo(f"{name} has another level")


@users.command()
@click.argument("name", metavar="NAME")
@click.pass_obj
def disable(installation: "Installation", name: str) -> None:
    """Sign NAME out and let them in no more."""
    from infra.postgres.console import people

    with _known(installation, name) as connection:
        if not people.disable(connection, name):
            raise _last(name)
        _audit(connection, "sign_in_disabled", of=name)
    click.echo(f"{name} cannot sign in any more")


@users.command()
@click.argument("name", metavar="NAME")
@click.pass_obj
def enable(installation: "Installation", name: str) -> None:
    """Let NAME in again."""
    from infra.postgres.console import people

    with _known(installation, name) as connection:
        people.enable(connection, name)
        _audit(connection, "sign_in_enabled", of=name)
    click.echo(f"{name} can sign in again")


@users.command("remove-second-factor")
@click.argument("name", metavar="NAME")
@click.pass_obj
def remove_second_factor(installation: "Installation", name: str) -> None:
    """Let NAME sign in with the password alone, e.g. after a phone was lost.

    Ends the sessions of NAME. Where the level needs a second factor, the next sign-in sets up another one.
    """
    from infra.postgres.console import second_factors, sign_ins

    with _known(installation, name) as connection:
        if not second_factors.remove(connection, name):
            raise CommandFailed(f"{name} has no second factor", "no_second_factor")
        ended = sign_ins.end_sessions(connection, name)
        _audit(connection, "factor_removed", of=name, sessions=ended)
    click.echo(f"{name} signs in with a password alone; sessions ended: {ended}")


@contextmanager
def _known(installation: "Installation", name: str) -> "Iterator[Connection[Any]]":
    """A transaction about somebody who has a sign-in."""
    from infra.postgres.connections.pool import connect
    from infra.postgres.console import sign_ins

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection, connection.transaction():
        if sign_ins.password_of(connection, name) is None:
            raise _unknown(name)
        yield connection


def _own_skillsets(level: "Level | None", skillsets: tuple[str, ...], company: "Directory") -> list[str] | None:
    """The skillsets of a supervisor; None for everybody else."""
    if (level == "supervisor") != bool(skillsets):
        raise click.UsageError("a supervisor, and nobody else, has skillsets: --level supervisor --skillset ID")
    if unknown := [each for each in skillsets if each not in company.skillsets]:
        raise CommandFailed(f"the directory has no skillset {unknown[0]}", "skillset_unknown")
    return list(skillsets) or None


def _audit(connection: "Connection[Any]", event: "AuditEvent", **detail: object) -> None:
    from infra.postgres.console import audit

    audit.write(connection, [audit.AuditEntry(event, operating_system_user(), None, detail=detail)])


def _password(from_stdin: bool, about: list[str]) -> str:
    from domain.contract.texts import WEAKNESS_TEXTS
    from infra.passwords import LONGEST, SHORTEST, weakness

    if from_stdin:
        password = sys.stdin.readline(_LONGEST_LINE).rstrip("\n")
    else:
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    if weak := weakness(password, [text for text in about if text]):
        raise CommandFailed(WEAKNESS_TEXTS[weak] % {"shortest": SHORTEST, "longest": LONGEST}, "weak_password")
    return password


def _is_one_line(text: str, longest: int) -> bool:
    return 1 <= len(text) <= longest and text.isprintable() and text == text.strip()


def _already_exists(name: str) -> CommandFailed:
    return CommandFailed(
        f"{name} can already sign in: to change the password, use witiop users reset-password", "sign_in_exists"
    )


def _at_provider(name: str) -> CommandFailed:
    return CommandFailed(f"{name} signs in at the OpenID provider and has no password here", "no_password")


def _last(name: str) -> CommandFailed:
    return CommandFailed(f"nothing was changed: nobody but {name} is an administrator", "last_administrator")


def _unknown(name: str) -> CommandFailed:
    return CommandFailed(f"there is no user {name}: see witiop users list", "sign_in_unknown")
