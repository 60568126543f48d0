"""The command line has every command of the interface, and ends each error with one line and an exit code."""

import errno
import io
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click
import pytest

from tests.support.command_line import call
from tests.support.paths import ROOT
from witiop.__main__ import main
from witiop.cli.main import WITHOUT_STACK, witiop
from witiop.dev.stack_file import FILE_NAME, Stack

CLOSED_PORT = 1
"""Port on which no process listens."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty directory, and no setting of ours in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WITIOP_")]:
        monkeypatch.delenv(name)


def test_the_program_is_a_process_with_that_exit_code(tmp_path: Path) -> None:
    """The other tests call its main function in this process."""
    ended = subprocess.run(
        [sys.executable, "-m", "witiop", "run", "relay"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (2, "") == (ended.returncode, ended.stdout)
    assert "witiop: WITIOP_POSTGRES_DSN is missing" in ended.stderr


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
    ended = call("run", "mailer")
    assert ended.code == 2
    assert (
        "'mailer' is not one of webhook, conversations, commands, routing, mails, sender, media, campaigns, "
        "analytics, alarms, rules, retention, timer, relay, console" in ended.err
    )


def test_missing_settings_are_named_one_a_line(tmp_path: Path) -> None:
    """Exit code 2: nothing was tried."""
    ended = call("run", "relay")
    assert ended.code == 2
    assert [line.partition(" is missing")[0] for line in ended.err.splitlines()] == [
        "witiop: WITIOP_KAFKA_BOOTSTRAP_SERVERS",
        "witiop: WITIOP_POSTGRES_DSN",
    ]
    assert ended.out == ""


def test_a_database_that_does_not_answer_ends_with_3(tmp_path: Path) -> None:
    """One line on stderr, no traceback."""
    ended = call("migrate", environment={"WITIOP_POSTGRES_DSN": f"host=127.0.0.1 port={CLOSED_PORT}"})
    assert ended.code == 3
    assert len(ended.err.splitlines()) == 1
    assert ended.err.startswith("witiop: PostgreSQL: connection failed")


def test_the_running_stack_is_the_default(tmp_path: Path) -> None:
    """It overrides the environment; --stack - selects the environment."""
    data = tmp_path / ".witiop" / "dev"
    data.mkdir(parents=True)
    _stack().write(data)
    given = {"WITIOP_POSTGRES_DSN": "host=/nowhere dbname=of_the_environment"}

    assert f"port {CLOSED_PORT} failed" in call("migrate", environment=given).err
    assert "/nowhere" in call("migrate", "--stack", "-", environment=given).err


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

    refused = call("migrate", "--stack", str(data))

    assert refused.code == 1
    assert refused.err.startswith(f"witiop: no stack is running in {data}")
    assert "WITIOP_POSTGRES_DSN is missing" in call("migrate").err


def test_a_process_takes_its_settings_from_the_environment_alone(tmp_path: Path) -> None:
    """A process of another stack must not connect to the stack that is running here."""
    data = tmp_path / ".witiop" / "dev"
    data.mkdir(parents=True)
    _stack().write(data)
    assert call("run", "timer").code == 2


def test_the_document_of_a_failed_command_says_why(tmp_path: Path) -> None:
    """--json prints one document on stdout also then."""
    ended = call(
        "unmanaged", "list", "--json", environment={"WITIOP_POSTGRES_DSN": f"host=127.0.0.1 port={CLOSED_PORT}"}
    )
    assert ended.code == 3
    assert json.loads(ended.out) == {"outcome": "unknown", "reason": "postgres_not_reachable"}


def test_the_document_of_wrong_usage_says_so() -> None:
    """A program that reads stdout is never left without a document."""
    ended = call("send", "list", "Choose", "--button", "Menu", "--row", "no title", "--json")
    assert ended.code == 2
    assert json.loads(ended.out) == {"outcome": "rejected", "reason": "wrong_usage"}
    assert "write each choice as ID=TITLE" in ended.err


def test_a_question_that_nobody_can_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal, e.g. with `docker compose run -T`, the program would end without a word."""
    asking = click.Command("asking", callback=lambda: click.confirm("Erase?"))
    monkeypatch.setitem(witiop.commands, "asking", asking)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))

    ended = call("asking")

    assert ended.code == 2
    assert "witiop: the standard input has no answer" in ended.err


def test_a_terminal_with_few_characters_gets_question_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of customers have characters that not every locale has; a command does not fail for that."""
    monkeypatch.setitem(witiop.commands, "said", click.Command("said", callback=lambda: click.echo("● Jürgen")))
    monkeypatch.setattr(sys, "argv", ["witiop", "said"])
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))

    with pytest.raises(SystemExit) as ended:
        main()

    assert (0, "? Jürgen\n") == (ended.value.code, written.getvalue().decode("latin-1"))


def test_a_broker_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("witiop.cli.publishing.BROKER_SECONDS", 0.1)
    servers = f"127.0.0.1:{CLOSED_PORT}"
    given = {"WITIOP_KAFKA_BOOTSTRAP_SERVERS": servers, "WITIOP_COMMAND_SECRETS": "s"}

    ended = call("dismiss", "00000000-0000-5000-8000-000000000000", environment=given)

    assert ended.code == 3
    assert f"witiop: Kafka does not answer at {servers}" in ended.err


@pytest.mark.parametrize(
    ("command", "name"), [("migrate", "WITIOP_ROLE_PASSWORDS"), ("topics", "WITIOP_KAFKA_PRINCIPAL_PASSWORDS")]
)
def test_a_password_for_a_process_that_does_not_exist_is_refused(command: str, name: str) -> None:
    """Somebody who replaces a leaked password would believe that it is done. The text may itself be a password."""
    given = {
        "WITIOP_POSTGRES_DSN": f"host=127.0.0.1 port={CLOSED_PORT}",
        "WITIOP_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{CLOSED_PORT}",
        name: "relay:hush,hushhush:relay",
    }

    ended = call(command, environment=given)

    assert ended.code == 2
    assert f"witiop: {name}: one of these is no process with a password: use " in ended.err
    assert "hush" not in ended.err


def test_a_document_that_nobody_reads_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """`witiop ... --json | head` closes the pipe early."""

    class Closed(io.TextIOBase):
        def write(self, text: str) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(sys, "argv", ["witiop", "unmanaged", "list", "--json"])
    monkeypatch.setattr(sys, "stdout", Closed())

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2


@pytest.mark.parametrize(
    "arguments",
    [("alarms", "silence", "lag", "--hours", "nan"), ("simulate", "load", "--rate", "1", "--seconds", "nan")],
)
def test_what_is_no_number_is_refused(arguments: tuple[str, ...]) -> None:
    """`nan` is neither below nor above a bound."""
    ended = call(*arguments)
    assert ended.code == 2
    assert "'nan' is not a finite number" in ended.err


def test_stack_json_is_not_readable_by_other_users(tmp_path: Path) -> None:
    """It contains every secret."""
    _stack().write(tmp_path)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0
    assert json.loads((tmp_path / FILE_NAME).read_text()) == asdict(_stack())
