"""The tests that the documentation names for a promise exist."""

import re

from tests.support.paths import ROOT


def test_every_test_that_the_documentation_names_exists() -> None:
    files = (ROOT / "tests").rglob("test_*.py")
    known = {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    pages = (ROOT / "docs").rglob("*.md")
    named = {name for page in pages for name in re.findall(r"`(test(?:_\w+?){3,})`", page.read_text())}
    assert len(named) > 20
    assert set() == named - known
