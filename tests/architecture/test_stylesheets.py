"""Every page loads all style sheets, so a class has one meaning: what page.css says about it, and one other sheet."""

import re
from collections import defaultdict

from tests.support.paths import ROOT

SHEETS = sorted((ROOT / "console" / "static").glob("*.css"))
SHARED = ("page.css", "print.css")
"""What is on every page, and what paper changes about all of them."""


def alone(css: str) -> set[str]:
    """The classes that are styled wherever they are, e.g. `.row` and `.row:hover`, but not `td.row` or `.list .row`."""
    selectors = re.findall(r"([^{}@;]+)\{", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL))
    each = (one.strip() for selector in selectors for one in selector.split(","))
    return {found[1] for one in each if (found := re.fullmatch(r"\.([\w-]+)(?:[:\[].*)?", one))}


def test_a_class_is_styled_by_one_sheet() -> None:
    sheets = defaultdict(list)
    for sheet in SHEETS:
        if sheet.name not in SHARED:
            for name in alone(sheet.read_text()):
                sheets[name].append(sheet.name)
    assert len(sheets) > 50
    assert {} == {name: found for name, found in sheets.items() if len(found) > 1}
