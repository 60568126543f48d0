"""The command line has every command of the interface, and ends each error with one line and an exit code."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click
import pytest

from tests.support.paths import ROOT
from witiop.cli.main import WITHOUT_STACK, witiop
from witiop.dev.stack_file import FILE_NAME, Stack

CLOSED_PORT = 1
"""Port on which no process listens."""


def _run(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the program as a person does, with these WITIOP_ variables and no others."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("WITIOP_")}
    return subprocess.run(
        [sys.executable, "-m", "witiop", *arguments],
        cwd=cwd,
        env={**others, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _stack(**changed: object) -> Stack:
    known: dict[str, object] = {
        "webhook_url": "http://127.0.0.1:8400",
        "kafka_bootstrap": f"127.0.0.1:{CLOSED_PORT}",
        "postgres_dsn": f"host=127.0.0.1 port={CLOSED_PORT} dbname=of_the_stack",
        **dict.fromkeys(
            ("whatsapp_app_secret", "whatsapp_verify_token", "softbot_secret", "agents_secret", "command_secret"), "s"
        ),
        "pids": {"webhook": [os.getpid()]},
    }
    return Stack(**{**known, **changed})  # type: ignore[arg-type]


def _leaves(command: click.Command, path: str = "") -> dict[str, click.Command]:
    if not isinstance(command, click.Group):
        return {path: command}
    context = click.Context(command)
    found: dict[str, click.Command] = {}
    for name in command.list_commands(context):
        sub = command.get_command(context, name)
        assert sub is not None
        found |= _leaves(sub, f"{path} {name}".strip())
    return found


def test_every_command_that_uses_an_installation_accepts_a_stack() -> None:
    """--stack DIR is promised for every subcommand except those that create an installation."""
    without = {
        path
        for path, command in _leaves(witiop).items()
        if not any("--stack" in parameter.opts for parameter in command.params)
    }
    assert without == WITHOUT_STACK


def test_every_command_has_a_help_text() -> None:
    """`witiop --help` is the first thing a newcomer reads."""
    assert [path for path, command in _leaves(witiop).items() if not command.help] == []


def test_wrong_usage_ends_with_2(tmp_path: Path) -> None:
    """An unknown process names the known ones."""
    ended = _run("run", "mailer", cwd=tmp_path)
    assert ended.returncode == 2
    assert (
        "'mailer' is not one of webhook, conversations, commands, routing, mails, timer, relay, console" in ended.stderr
    )


def test_missing_settings_are_named_one_a_line(tmp_path: Path) -> None:
    """Exit code 2: no server was contacted."""
    ended = _run("run", "relay", cwd=tmp_path)
    assert ended.returncode == 2
    assert [line.partition(" is missing")[0] for line in ended.stderr.splitlines()] == [
        "witiop: WITIOP_KAFKA_BOOTSTRAP_SERVERS",
        "witiop: WITIOP_POSTGRES_DSN",
    ]
    assert ended.stdout == ""


def test_a_database_that_does_not_answer_ends_with_3(tmp_path: Path) -> None:
    """One line on stderr, no traceback."""
    ended = _run("migrate", cwd=tmp_path, WITIOP_POSTGRES_DSN=f"host=127.0.0.1 port={CLOSED_PORT}")
    assert ended.returncode == 3
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("witiop: PostgreSQL: connection failed")


def test_the_running_stack_is_the_default(tmp_path: Path) -> None:
    """It overrides the environment; --stack - selects the environment."""
    data = tmp_path / ".witiop" / "dev"
    data.mkdir(parents=True)
    _stack().write(data)
    given = {"WITIOP_POSTGRES_DSN": "host=/nowhere dbname=of_the_environment"}

    assert f"port {CLOSED_PORT} failed" in _run("migrate", cwd=tmp_path, **given).stderr
    assert "/nowhere" in _run("migrate", "--stack", "-", cwd=tmp_path, **given).stderr


@pytest.mark.parametrize("stale", ["dead", "restarted"])
def test_a_stale_stack_does_not_count(tmp_path: Path, stale: str) -> None:
    """A crash leaves its file behind, and its process ids may belong to other processes by then."""
    data = tmp_path / ".witiop" / "dev"
    data.mkdir(parents=True)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    _stack(pids={"webhook": [ended.pid if stale == "dead" else os.getpid()]}).write(data)
    if stale == "restarted":
        long_ago = time.time() - 10 * 365 * 24 * 3600
        os.utime(data / FILE_NAME, (long_ago, long_ago))

    refused = _run("migrate", "--stack", str(data), cwd=tmp_path)

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"witiop: no stack is running in {data}")
    assert "WITIOP_POSTGRES_DSN is missing" in _run("migrate", cwd=tmp_path).stderr


def test_a_process_takes_its_settings_from_the_environment_alone(tmp_path: Path) -> None:
    """A process of another stack must not connect to the stack that is running here."""
    data = tmp_path / ".witiop" / "dev"
    data.mkdir(parents=True)
    _stack().write(data)
    assert _run("run", "timer", cwd=tmp_path).returncode == 2


def test_the_json_of_a_failed_command_has_the_reason(tmp_path: Path) -> None:
    """--json prints one document on stdout also when a command fails."""
    ended = _run("unmanaged", "list", "--json", cwd=tmp_path, WITIOP_POSTGRES_DSN=f"host=127.0.0.1 port={CLOSED_PORT}")
    assert ended.returncode == 3
    assert json.loads(ended.stdout) == {"outcome": "unknown", "reason": "postgres_not_reachable"}


def test_stack_json_is_not_readable_by_other_users(tmp_path: Path) -> None:
    """It contains every secret."""
    _stack().write(tmp_path)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0
    assert json.loads((tmp_path / FILE_NAME).read_text()) == asdict(_stack())
