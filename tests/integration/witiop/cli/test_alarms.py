"""`witiop alarms`: what is wrong, silence, channels and their tests."""

import io
import json
import sys
from datetime import UTC, datetime

import pytest

from domain.alarms.kinds import AlarmKind
from infra.postgres.alarms.alarms import AlarmToRaise, end_alarm, raise_alarm
from infra.postgres.connections.pool import connect
from tests.support.command_line import CommandLine

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


def _raise(database: str, kind: AlarmKind, key: str = "", **details: int | str) -> None:
    with connect(database, "test", autocommit=True) as connection:
        raise_alarm(connection, AlarmToRaise(kind, key, details, None, NOW))


def test_open_alarms_are_listed_with_what_to_do_the_worst_first(witiop: CommandLine, database: str) -> None:
    assert witiop("alarms", "list").out == "No alarm is open.\n"
    _raise(database, AlarmKind.DEAD_LETTERS, count=3)
    _raise(database, AlarmKind.NUMBER_PAUSED, "100", number="Shop", reason="x")
    lines = witiop("alarms", "list").out.splitlines()
    assert lines[0] == "red   The number Shop sends nothing now: x (since 2026-11-30 12:00 UTC)"
    assert lines[2].strip() == "witiop alarms silence number_paused --key 100 --hours 4"
    assert lines[3].startswith("amber Records that could not be processed wait for a decision: 3")
    rows = json.loads(witiop("alarms", "list", "--json").out)["rows"]
    assert [row["kind"] for row in rows] == ["number_paused", "dead_letters"]


def test_an_alarm_is_silenced_for_a_while_and_by_somebody(witiop: CommandLine, database: str) -> None:
    _raise(database, AlarmKind.DEAD_LETTERS, count=3)
    assert witiop("alarms", "silence", "dead_letters", "--hours", "2", "--as", "paolo").code == 0
    (row,) = json.loads(witiop("alarms", "list", "--json").out)["rows"]
    assert row["silenced_until"] is not None
    assert witiop("alarms", "silence", "dead_letters", "--hours", "0").code == 0
    (row,) = json.loads(witiop("alarms", "list", "--json").out)["rows"]
    assert row["silenced_until"] is None
    refused = witiop("alarms", "silence", "dead_lettres")
    assert (refused.code, "dead_letters" in refused.err) == (1, True)


def test_who_changed_alarms_on_the_command_line_is_in_the_audit_log(
    witiop: CommandLine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("https://hooks.slack.com/services/T0/B0/secretpath\n"))
    for arguments in (
        ("silence", "lag", "--hours", "2"),
        ("silence", "lag", "--hours", "0"),
        ("add", "sales"),
        ("change", "sales", "--level", "red"),
        ("remove", "sales"),
    ):
        assert witiop("alarms", *arguments, "--as", "paolo").code == 0
    with connect(database, "test", autocommit=True) as connection:
        found = connection.execute("select name, event, detail from console_audit order by id").fetchall()
    assert {row[:2] for row in found} == {("paolo", "alarms_changed")}
    whats = ["silence", "silence_ended", "channel_added", "channel_changed", "channel_removed"]
    assert [row[2]["what"] for row in found] == whats
    assert "secretpath" not in str(found)


def test_the_key_of_an_alarm_can_be_pasted_into_a_shell(witiop: CommandLine, database: str) -> None:
    _raise(database, AlarmKind.RULE, "evening 0190", rule="Evening")
    assert "witiop alarms silence rule --key 'evening 0190' --hours 4" in witiop("alarms", "list").out


def test_alarms_that_are_over_are_listed_apart(witiop: CommandLine, database: str) -> None:
    _raise(database, AlarmKind.LAG, minutes=4)
    with connect(database, "test", autocommit=True) as connection:
        end_alarm(connection, AlarmKind.LAG, "", NOW)
    assert witiop("alarms", "list").out == "No alarm is open.\n"
    assert "Incoming messages are processed 4 minutes late" in witiop("alarms", "list", "--past", "10").out


def test_a_channel_is_added_listed_changed_and_removed_and_its_address_is_nowhere(
    witiop: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("https://hooks.slack.com/services/T0/B0/secretpath\n"))
    added = witiop("alarms", "add", "sales", "--level", "red", "--rules-only")
    assert (added.code, added.out.startswith("added; signed with ")) == (0, True)
    assert witiop("alarms", "channels").out == (
        "sales: text to hooks.slack.com, in en, red alarms only that a rule sends to it\n"
    )
    assert "secretpath" not in witiop("alarms", "channels", "--json").out + added.out
    monkeypatch.setattr(sys, "stdin", io.StringIO("http://10.0.0.1/\n"))
    refused = witiop("alarms", "add", "other")
    assert (refused.code, "https://" in refused.err) == (1, True)
    assert witiop("alarms", "change", "sales", "--all-alarms", "--language", "it").out == "changed\n"
    assert witiop("alarms", "channels").out == "sales: text to hooks.slack.com, in it, red alarms only\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("https://chat.example.com/hook\n"))
    assert witiop("alarms", "change", "sales", "--address").code == 0
    assert witiop("alarms", "channels").out == "sales: text to chat.example.com, in it, red alarms only\n"
    assert witiop("alarms", "change", "nobody").code == 1
    assert witiop("alarms", "remove", "sales").code == 0
    assert witiop("alarms", "test", "sales").code == 1
