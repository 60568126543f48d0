"""Commands bear the database's time, whatever the clock of the machine on which they are typed."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self
from uuid import UUID

import pytest

import witiop.cli.commands
import witiop.cli.release
import witiop.installation
from domain.commands import Command, Release
from tests.support.command_line import CommandLine

ID = str(UUID(int=1))
AWAY = "postgresql://nobody@127.0.0.1:1/nothing"


class Slow(datetime):
    """The clock of a machine that is a day slow."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) - timedelta(days=1)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """The commands that were published from a machine that is a day slow."""
    found: list[Command] = []

    def publish(_settings: object, command: Command, _wait: float) -> dict[str, Any]:
        found.append(command)
        return {"command_id": command.head.id, "outcome": "published", "reason": None}

    monkeypatch.setattr(witiop.cli.commands, "_result", publish)
    for module in (witiop.installation, witiop.cli.commands, witiop.cli.release):
        monkeypatch.setattr(module, "datetime", Slow, raising=False)  # where one uses it
    return found


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    line = CommandLine(monkeypatch, database)
    line.set("WITIOP_COMMAND_SECRETS", "secret")
    line.set("WITIOP_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    return line


def is_now(at: datetime) -> bool:
    return abs(at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("transfer", ID, "--to-user", "anna", "--mode", "immediate"),
        ("recall", ID),
        ("email", ID, "--to", "a@example.com", "--subject", "s", "--body", "b"),
        ("release", ID),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_bears_the_time_of_the_database(
    command_line: CommandLine, published: list[Command], arguments: tuple[str, ...]
) -> None:
    finished = command_line(*arguments)
    assert (0, "") == (finished.code, finished.err)
    (command,) = published
    assert is_now(command.head.at)
    assert is_now(command.head.expires_at - witiop.cli.commands.EXPIRES_AFTER)


def test_a_conversation_is_parked_from_the_time_of_the_database_on(
    command_line: CommandLine, published: list[Command]
) -> None:
    command_line("release", ID, "--park", "2h")
    command_line("release", ID, "--park", "2026-12-01T15:00+01:00")
    relative, absolute = (command.body for command in published)
    assert isinstance(relative, Release)
    assert isinstance(absolute, Release)
    assert relative.park_until is not None
    assert is_now(relative.park_until - timedelta(hours=2))
    assert datetime(2026, 12, 1, 14, 0, tzinfo=UTC) == absolute.park_until


@pytest.mark.parametrize("dsn", ["", AWAY], ids=["without a database", "with one that is away"])
def test_without_the_database_the_machines_time_has_to_do(
    command_line: CommandLine, published: list[Command], dsn: str
) -> None:
    command_line.set("WITIOP_POSTGRES_DSN", dsn)
    command_line("release", ID)
    assert is_now(published[0].head.at + timedelta(days=1))
