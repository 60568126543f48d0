"""`witiop alarms`: what is wrong, and silence (docs/design/alarms.md)."""

from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from witiop.cli.alarms.channels import add, change, issuer_option, list_channels, note_change, remove, test
from witiop.cli.number_types import FiniteRange
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from infra.postgres.alarms.listing import ListedAlarm
    from witiop.installation import Installation


@click.group()
def alarms() -> None:
    """What is wrong with the installation, and who is told about it."""


@alarms.command("list")
@click.option("--past", type=click.IntRange(1, 100), help="So many that are over, instead of those that are open.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_(installation: "Installation", past: int | None, as_json: bool) -> None:
    """List open alarms, the worst first, with what to do about them."""
    from domain.alarms.texts import say
    from infra.postgres.alarms.listing import listed_open, listed_past
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.display import harmless, show, show_json, utc_minute

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = listed_past(connection, past).rows if past else listed_open(connection)
    if as_json:
        show_json({"rows": [_document(alarm) for alarm in found]})
        return
    if not found:
        show(["No alarm is open." if past is None else "No alarm is over yet."])
        return
    for alarm in found:
        words = say(alarm.kind, alarm.details)
        when = f"since {utc_minute(alarm.began_at)}"
        if alarm.ended_at is not None:
            when = f"{utc_minute(alarm.began_at)} to {utc_minute(alarm.ended_at)}"
        silent = f", silent until {utc_minute(alarm.silenced_until)}" if alarm.silenced_until else ""
        show([f"{alarm.level:<5} {harmless(words.what)} ({when} UTC{silent})"])
        if alarm.ended_at is None:
            show([f"      {harmless(words.cure)}", f"      witiop alarms silence {_named(alarm)} --hours 4"])


def _named(alarm: "ListedAlarm") -> str:
    """What names the alarm on a command line, as it can be pasted into a shell."""
    return f"{alarm.kind} --key {quote(alarm.key)}" if alarm.key else str(alarm.kind)


def _document(alarm: "ListedAlarm") -> dict[str, Any]:
    from domain.alarms.texts import say
    from domain.times import rfc3339

    words = say(alarm.kind, alarm.details)
    return {
        "id": str(alarm.id),
        "kind": str(alarm.kind),
        "key": alarm.key,
        "level": alarm.level,
        "what": words.what,
        "cure": words.cure,
        "details": dict(alarm.details),
        "conversation_id": str(alarm.conversation_id) if alarm.conversation_id else None,
        "began_at": rfc3339(alarm.began_at),
        "ended_at": rfc3339(alarm.ended_at) if alarm.ended_at else None,
        "silenced_until": rfc3339(alarm.silenced_until) if alarm.silenced_until else None,
        "told": alarm.told,
    }


@alarms.command()
@click.argument("kind")
@click.option("--key", default="", help="Which of its kind, as `witiop alarms list` shows it.")
@click.option("--hours", type=FiniteRange(0, 24 * 31), default=4, show_default=True, help="For how long; 0: end it.")
@issuer_option
@click.pass_obj
def silence(installation: "Installation", kind: str, key: str, hours: float, issuer: str) -> None:
    """Tell nobody about an alarm for a while."""
    from datetime import timedelta

    from domain.alarms.judging import AlarmSubject
    from domain.alarms.kinds import AlarmKind
    from infra.postgres.alarms import silences
    from infra.postgres.connections.clock import database_now
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.display import show, utc_minute

    if kind not in list(AlarmKind):
        raise CommandFailed(f"there is no alarm {kind}: use one of {', '.join(AlarmKind)}", "kind_unknown")
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection, connection.transaction():
        until = database_now(connection) + timedelta(hours=hours)
        silences.silence(connection, AlarmSubject(AlarmKind(kind), key), until, issuer)
        note_change(connection, issuer, "silence" if hours else "silence_ended", kind=kind, hours=hours)
    show(
        [f"nobody is told about it until {utc_minute(until)} UTC" if hours else "its channels are told about it again"]
    )


for _command in (list_channels, add, change, remove, test):
    alarms.add_command(_command)
