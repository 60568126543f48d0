"""What documents say of tests is true."""

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

DOCUMENTS = sorted((ROOT / "docs").rglob("*.md"))
_DEFINED = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


@pytest.fixture(scope="module")
def tests() -> set[str]:
    """The names of all tests."""
    return {name for file in (ROOT / "tests").rglob("*.py") for name in _DEFINED.findall(file.read_text())}


def test_every_check_on_the_page_about_security_exists(tests: set[str]) -> None:
    """A threat whose check was renamed or removed would seem to be met."""
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "security.md").read_text()))
    assert len(named) > 40
    assert named - tests == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_every_file_of_tests_that_a_document_names_exists(document: Path) -> None:
    """A decision that nothing enforces any more is not one."""
    files = set(re.findall(r"`(tests/[\w/]+\.py)`", document.read_text()))
    assert {each for each in files if not (ROOT / each).exists()} == set()
