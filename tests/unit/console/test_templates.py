"""Rules that every template of the console keeps."""

import re

from tests.support.paths import ROOT

FOLDER = ROOT / "console" / "templates"
TEMPLATES = {str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.html")}


def test_no_template_has_a_line_that_is_too_long_to_read() -> None:
    assert [] == [
        f"{name}:{number}"
        for name, text in TEMPLATES.items()
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > 140
    ]


def test_no_page_polls_the_server() -> None:
    """An open dialog only says every few seconds that it is still open: others are told while it is, and not after the
    browser was closed."""
    assert ["dialog_watch.html"] == [
        name for name, text in TEMPLATES.items() if re.search(r'hx-trigger="[^"]*\bevery\b', text)
    ]


def test_every_form_that_sends_a_file_has_words_for_what_may_be_wrong_with_it() -> None:
    forms = [form for text in TEMPLATES.values() for form in re.findall(r'<form id="upload"[^>]*>', text)]
    assert 2 == len(forms)
    for form in forms:
        assert {"data-empty", "data-refused", "data-too-large"} <= set(re.findall(r"data-[a-z-]+", form)), form
