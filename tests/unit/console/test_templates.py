"""Rules that every template of the console keeps."""

import re

from tests.support.paths import ROOT

TEMPLATES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "console" / "templates").iterdir()}


def test_no_page_polls_the_server() -> None:
    assert [] == [name for name, text in TEMPLATES.items() if re.search(r'hx-trigger="[^"]*\bevery\b', text)]
