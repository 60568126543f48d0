"""`witiop prices` imports what Meta charges, and lists it."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine

HEAD = "country,category,currency,price,valid_from\n"


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


def test_prices_are_imported_replaced_and_listed(witiop: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(f"{HEAD}IT,marketing,EUR,0.0572,2026-01-01\n*,marketing,EUR,0.02,2026-01-01\n")
    assert "There are no prices" in witiop("prices", "list").out
    assert "2 prices imported\n" == witiop("prices", "import", str(file)).out
    file.write_text(f"\ufeff{HEAD}IT,marketing,EUR,0.06,2026-01-01\nIT,marketing,EUR,0.07,2027-01-01\n", "utf-8")
    assert 0 == witiop("prices", "import", str(file)).code
    rows = json.loads(witiop("prices", "list", "--country", "IT", "--json").out)["rows"]
    assert [("0.06", "2026-01-01"), ("0.07", "2027-01-01")] == [(row["price"], row["valid_from"]) for row in rows]
    lines = witiop("prices", "list").out
    assert all(text in lines for text in ("COUNTRY", "*", "0.02", "2027-01-01"))


def test_a_file_with_a_mistake_changes_nothing(witiop: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(f"{HEAD}IT,marketing,EUR,0.0572,2026-01-01\nIT,marketing,EUR,cheap,2026-01-01\n")
    finished = witiop("prices", "import", str(file))
    assert 0 != finished.code
    assert "prices.csv, line 3: price: must be a number with a point" in finished.err
    file.write_bytes(b"\xff\xfe\x00")
    assert "is no text in UTF-8" in witiop("prices", "import", str(file)).err
    assert {"rows": []} == json.loads(witiop("prices", "list", "--json").out)
