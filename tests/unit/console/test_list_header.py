"""What stands above a list, in the plural form of what it counts."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, g, get_template_attribute

from console.request import words
from console.words import Words
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    ("language", "totals", "said"),
    [
        ("it", (1, 1, 1), "1 attiva · 1 chiusa · 1 archiviata"),
        ("it", (2, 0, 0), "2 attive · 0 chiuse"),
        ("it", (101, 1, 0), "100+ attive · 1 chiusa"),
        ("en", (1, 0, 1), "1 active · 0 closed · 1 dismissed"),
    ],
)
def test_the_totals_are_in_their_plural_forms(language: str, totals: tuple[int, int, int], said: str) -> None:
    app = Flask("page", template_folder=str(ROOT / "console" / "templates"))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        words=words, ngettext=lambda one, many, n, /, **values: words().ngettext(one, many, n) % values
    )
    with app.app_context():
        g.words = Words(language, ZoneInfo("UTC"), datetime(2026, 11, 30, tzinfo=UTC))
        html = get_template_attribute("list_header.html", "counts")(totals, most=100)
    assert said == html.partition(">")[2].partition("<")[0].strip()
