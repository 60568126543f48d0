"""`witiop users`: the sign-ins, managed from the command line."""

import io
import json
import os
import pwd

import pytest

from console.pages.attempts import TRIES_PER_NAME
from tests.support.command_line import CommandLine, Finished
from tests.support.console import BOSS, PASSWORD, Browser, Console

NEW = "seven purple bicycles overnight"


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, console: Console, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


def with_password(
    witiop: CommandLine, monkeypatch: pytest.MonkeyPatch, *arguments: str, password: str = NEW
) -> Finished:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    return witiop("users", *arguments, "--password-stdin")


def test_a_user_of_the_directory_and_an_administrator_can_have_a_sign_in(
    witiop: CommandLine, monkeypatch: pytest.MonkeyPatch, console: Console
) -> None:
    assert 0 == with_password(witiop, monkeypatch, "create", "anna").code
    made = with_password(witiop, monkeypatch, "create", "root", "--administrator", "--shown-name", "The root")
    assert (0, "root can sign in\n") == (made.code, made.out)
    assert [303, 303] == [console.browser().sign_in(name, NEW).status_code for name in ("anna", "root")]
    rows = json.loads(witiop("users", "list", "--json").out)["rows"]
    assert [("anna", "agent", 1), ("boss", "tenant_administrator", 0), ("root", "tenant_administrator", 1)] == [
        (row["name"], row["level"], row["sessions"]) for row in rows
    ]
    assert "The root" in witiop("users", "list").out


@pytest.mark.parametrize(
    ("arguments", "password", "words"),
    [
        (["create", "stranger"], NEW, "the directory has no user stranger"),
        (["create", BOSS, "--administrator"], NEW, "boss can already sign in"),
        (["create", "anna"], "password1234", "easy to guess"),
        (["create", "anna"], "short", "at least 12 characters"),
        (["create", "anna"], "x" * 1_000_000, "at most 128 characters"),
        (["reset-password", "stranger"], NEW, "there is no user stranger"),
    ],
)
def test_errors_are_one_line(
    witiop: CommandLine, monkeypatch: pytest.MonkeyPatch, arguments: list[str], password: str, words: str
) -> None:
    finished = with_password(witiop, monkeypatch, *arguments, password=password)
    assert (1, 1) == (finished.code, finished.err.count("\n"))
    assert words in finished.err


@pytest.mark.parametrize("weak", ["short", "x" * 129, "password1234"])
def test_a_weak_password_is_worded_as_in_the_console(
    witiop: CommandLine, monkeypatch: pytest.MonkeyPatch, boss: Browser, weak: str
) -> None:
    said = with_password(witiop, monkeypatch, "create", "anna", password=weak).err.partition(": ")[2].strip()
    page = boss.post("/account/password", password=PASSWORD, new=weak, again=weak).text
    assert f"{said[:1].upper()}{said[1:]}." in page


def test_a_display_name_is_one_line_of_a_person(witiop: CommandLine) -> None:
    for name in ("", "x" * 201, "a\nb", " x"):
        assert 2 == witiop("users", "create", "root", "--administrator", "--shown-name", name).code


def test_a_reset_password_signs_out_everywhere(
    witiop: CommandLine, monkeypatch: pytest.MonkeyPatch, boss: Browser, console: Console
) -> None:
    done = with_password(witiop, monkeypatch, "reset-password", BOSS)
    assert "boss has a new password; sessions ended: 1\n" == done.out
    assert 303 == boss.get("/unmanaged").status_code
    assert [401, 303] == [console.browser().sign_in(BOSS, each).status_code for each in (PASSWORD, NEW)]


def test_a_reset_password_unlocks_a_person_with_too_many_attempts(
    witiop: CommandLine, monkeypatch: pytest.MonkeyPatch, console: Console
) -> None:
    browser = console.browser()
    answers = [browser.sign_in(BOSS, "guess").status_code for _ in range(TRIES_PER_NAME + 1)]
    assert 429 == answers[-1]
    assert 0 == with_password(witiop, monkeypatch, "reset-password", BOSS).code
    assert 303 == browser.sign_in(BOSS, NEW).status_code


def test_sessions_can_be_ended_from_the_command_line(witiop: CommandLine, boss: Browser, console: Console) -> None:
    assert "sessions ended: 1\n" == witiop("users", "end-sessions", BOSS).out
    assert 303 == boss.get("/unmanaged").status_code
    console.signed_in()
    assert "sessions ended: 1\n" == witiop("users", "end-sessions", "--everybody").out
    assert [2, 1] == [witiop("users", "end-sessions").code, witiop("users", "end-sessions", "stranger").code]


def test_actions_of_the_command_line_are_in_the_audit_log_with_the_machines_user(
    witiop: CommandLine, monkeypatch: pytest.MonkeyPatch, console: Console
) -> None:
    with_password(witiop, monkeypatch, "create", "anna")
    with_password(witiop, monkeypatch, "reset-password", "anna")
    witiop("users", "end-sessions", "anna")
    witiop("users", "end-sessions", "--everybody")
    entries = console.office.rows("select event, name, address, detail from console_audit order by id")
    me = pwd.getpwuid(os.getuid()).pw_name
    assert [(me, None)] * 4 == [(entry["name"], entry["address"]) for entry in entries]
    assert [
        ("sign_in_made", {"of": "anna", "level": None, "skillsets": None, "provider": False}),
        ("password_reset", {"of": "anna"}),
        ("sessions_ended", {"of": "anna", "sessions": 0}),
        ("sessions_ended", {"of": None, "sessions": 0}),
    ] == [(entry["event"], entry["detail"]) for entry in entries]
    assert NEW not in str(entries)


def test_no_password_is_taken_from_the_command_line(witiop: CommandLine) -> None:
    assert 2 == witiop("users", "create", "anna", "--password", NEW).code


def test_levels_are_given_on_the_command_line_too(
    witiop: CommandLine, monkeypatch: pytest.MonkeyPatch, console: Console
) -> None:
    made = with_password(witiop, monkeypatch, "create", "vera", "--level", "supervisor", "--skillset", "sales")
    assert 0 == made.code
    assert 0 == witiop("users", "create", "nora", "--level", "read_only", "--provider").code
    rows = {row["name"]: row for row in json.loads(witiop("users", "list", "--json").out)["rows"]}
    assert ("supervisor", ["sales"], "password") == tuple(
        rows["vera"][key] for key in ("level", "skillsets", "signs_in_with")
    )
    assert ("read_only", "provider") == (rows["nora"]["level"], rows["nora"]["signs_in_with"])
    assert 0 == witiop("users", "level", "vera", "read_only").code
    assert 1 == witiop("users", "level", BOSS, "read_only").code
    assert 1 == witiop("users", "disable", BOSS).code
    assert "no skillset gone" in witiop("users", "level", "vera", "supervisor", "--skillset", "gone").err
    assert [{"of": "vera", "level": "read_only", "skillsets": None}] == [
        each["detail"] for each in console.audited("level_changed")
    ]


def test_a_person_is_disabled_and_enabled_on_the_command_line(witiop: CommandLine, console: Console) -> None:
    console.person("carla")
    browser = console.signed_in("carla")
    assert 0 == witiop("users", "disable", "carla").code
    assert (303, 401) == (browser.get("/unmanaged").status_code, console.browser().sign_in("carla").status_code)
    assert "disabled" in witiop("users", "list").out
    assert 0 == witiop("users", "enable", "carla").code
    assert 303 == console.browser().sign_in("carla").status_code


def test_a_lost_second_factor_is_removed_on_the_command_line(witiop: CommandLine, console: Console) -> None:
    assert 1 == witiop("users", "remove-second-factor", BOSS).code
    console.office.connection.execute("insert into second_factors values ('boss', 'ABCD', now())")
    assert "/sign-in/code" in str(console.browser().sign_in().location)
    assert 0 == witiop("users", "remove-second-factor", BOSS).code
    assert "/" == console.browser().sign_in().location
