"""`witiop stats`: the numbers of the last days, and a directory file that is tried on what was."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from domain.directory_file.toml_text import directory_text
from infra.postgres import directory
from tests.support.command_line import CommandLine
from tests.support.office import COMPANY, Office, open_office
from tests.support.stories import NUMBER


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


def test_a_directory_file_is_tried_on_the_last_days_and_not_applied(
    witiop: CommandLine, office: Office, tmp_path: Path
) -> None:
    lost = office.customer_writes("an offer", "16505550001")
    office.customer_writes("hello", "16505550002")
    shop = replace(COMPANY.numbers[NUMBER], synonyms={"1": ("an offer",)})
    wanted = replace(COMPANY, numbers={**COMPANY.numbers, NUMBER: shop})
    file = tmp_path / "directory.toml"
    file.write_text(directory_text(wanted))
    before = directory.read(office.connection)
    shown = witiop("stats", "reclassify", "--directory", str(file))
    assert shown.code == 0
    first, move, looked_at, row = shown.out.splitlines()
    assert first == "1 conversations would have gone differently; 1 of them were never answered."
    assert (move, looked_at) == ("  1: no_choice -> queued for Sales", "2 conversations were looked at.")
    assert row.endswith(str(lost))
    found = json.loads(witiop("stats", "reclassify", "--directory", str(file), "--days", "7", "--json").out)
    assert [(str(lost), "no_choice", "sales")] == [
        (each["conversation_id"], each["was"]["reason"], each["would_be"]["skillset"]) for each in found["rows"]
    ]
    assert [
        {"reason": "no_choice", "skillset": None, "was": 2, "would_be": 1},
        {"reason": None, "skillset": "sales", "was": 0, "would_be": 1},
    ] == found["counts"]
    assert "16505550001" not in shown.out + json.dumps(found)
    assert before == directory.read(office.connection)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_last_day_is_today_at_the_place_of_the_number(witiop: CommandLine, office: Office, zone: str) -> None:
    """At any time one of the two has another day than UTC."""
    shop = replace(COMPANY.numbers[NUMBER], time_zone=zone)
    office.apply_directory(replace(COMPANY, numbers={NUMBER: shop}))
    shown = json.loads(witiop("stats", "show", "--days", "1", "--json").out)
    today = datetime.now(ZoneInfo(zone)).date().isoformat()
    assert (shown["first"], shown["last"]) == (today, today)


def test_a_file_that_is_no_directory_is_refused_with_its_problems(witiop: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "directory.toml"
    file.write_text("[[number]]\nnonsense = 1\n")
    refused = witiop("stats", "reclassify", "--directory", str(file))
    assert (refused.code, "problems to fix in" in refused.err) == (1, True)
