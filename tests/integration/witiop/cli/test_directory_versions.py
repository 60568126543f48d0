"""`witiop directory apply|versions|diff|roll-back` on a real database."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine

ANNA = """
[[user]]
id = "anna"
name = "Anna Rossi"
email = "anna@example.com"
level = "agent"
max_conversations = 3
"""
SHOP = '[[number]]\nphone_number_id = "1"\nname = "Shop"\nhours = { mon = ["09:00-18:00"] }\n'
LATER = SHOP.replace("18:00", "19:00")


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "company.toml"


def applies(witiop: CommandLine, file: Path, text: str, *options: str) -> str:
    file.write_text(text)
    finished = witiop("directory", "apply", str(file), *options)
    assert (0, "") == (finished.code, finished.err)
    return finished.out


def test_every_change_is_a_version_with_its_author_and_note(witiop: CommandLine, file: Path) -> None:
    applies(witiop, file, SHOP, "--as", "paola", "--note", "Opening")
    applies(witiop, file, LATER + ANNA, "--as", "ben")
    assert "no changes\n" == applies(witiop, file, LATER + ANNA)
    found = json.loads(witiop("directory", "versions", "--json").out)["versions"]
    assert [(2, "ben", "", 2), (1, "paola", "Opening", 1), (0, None, "", 0)] == [
        (v["version"], v["author"], v["note"], v["changed"]) for v in found
    ]
    shown = witiop("directory", "versions", "--limit", "2").out.splitlines()
    assert ["VERSION", "2", "1"] == [line.split()[0] for line in shown]


def test_the_difference_of_two_versions_is_said_in_words_and_as_text(witiop: CommandLine, file: Path) -> None:
    applies(witiop, file, SHOP)
    applies(witiop, file, LATER + ANNA)
    expected = ["User Anna Rossi: added", "Shop: hours of Monday 09:00-18:00 -> 09:00-19:00"]
    assert expected == witiop("directory", "diff", "1").out.splitlines()
    assert expected == witiop("directory", "diff", "1", "2").out.splitlines()
    text = witiop("directory", "diff", "1", "2", "--text").out.splitlines()
    assert {'-hours = { mon = ["09:00-18:00"] }', '+hours = { mon = ["09:00-19:00"] }'} < set(text)
    assert "no differences\n" == witiop("directory", "diff", "2").out


def test_rolling_back_makes_a_new_version_that_says_so(witiop: CommandLine, file: Path) -> None:
    applies(witiop, file, SHOP)
    before = witiop("directory", "show").out
    applies(witiop, file, LATER + ANNA)
    finished = witiop("directory", "roll-back", "1", "--as", "ben")
    assert ["removed user anna", "changed number 1"] == finished.out.splitlines()
    assert before == witiop("directory", "show").out
    newest = json.loads(witiop("directory", "versions", "--json").out)["versions"][0]
    assert (3, "ben", "Version 1 again") == (newest["version"], newest["author"], newest["note"])


def test_a_file_that_was_made_from_an_older_version_is_refused_if_that_is_named(
    witiop: CommandLine, file: Path
) -> None:
    applies(witiop, file, SHOP)
    applies(witiop, file, SHOP + ANNA)
    file.write_text(LATER)
    finished = witiop("directory", "apply", str(file), "--expected-version", "1")
    assert (1, "") == (finished.code, finished.out)
    assert "the directory has version 2 now, not 1" in finished.err
    assert "Anna Rossi" in witiop("directory", "show").out


def test_a_version_that_was_not_kept_is_named(witiop: CommandLine) -> None:
    for arguments in (("diff", "7"), ("roll-back", "7")):
        finished = witiop("directory", *arguments)
        assert (1, "witiop: there is no version 7 of the directory\n") == (finished.code, finished.err)
    assert 1 == witiop("directory", "roll-back", "0").code
