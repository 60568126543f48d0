"""Words of an older private language do not return; docs/glossary.md has the words to use."""

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PHRASES = (
    "set aside",
    "set-aside",
    "put aside",
    "redriven",
    "redriving",
    "worked in",
    "let pass",
    "lets pass",
    "anew",
    "whoever",
    "heard to",
    "caught up to",
    "above their maximum",
    "who is there",
    "so it looks",
    "without a rest",
    "Password of today",
    "verdict",
    "redrive",
    "patience",
    "survey",
    "above the maximum",
    "agent desk",
    "agents' desks",
    "told to the outside",
)
FOLDERS = ("webhook", "consumers", "console", "domain", "infra", "witiop", "benchmarks", "examples", "docs", "tests")
SUFFIXES = {".py", ".html", ".js", ".css", ".md", ".po"}
NAMES_OLD_WORDS = (Path(__file__), ROOT / "docs/decisions/0027-rooms-and-words.md")
FILES = ("README.md", "CONTRIBUTING.md", "Makefile", "Dockerfile", "docker-compose.yml", ".env.example")


def _files() -> list[Path]:
    found = [ROOT / name for name in FILES]
    for folder in FOLDERS:
        found += sorted(
            file
            for file in (ROOT / folder).rglob("*")
            if file.suffix in SUFFIXES and not file.name.endswith(".min.js") and file not in NAMES_OLD_WORDS
        )
    return found


@pytest.mark.parametrize("phrase", PHRASES)
def test_no_file_contains_a_phrase_of_the_private_language(phrase: str) -> None:
    """A phrase also counts if it spans two lines of prose."""
    words = phrase.split(" ")
    pattern = re.compile(r"\b" + r"\s+(?:[#*]\s+)?".join(map(re.escape, words)) + r"\b", re.IGNORECASE)
    found = []
    for file in _files():
        text = file.read_text()
        found += [
            f"{file.relative_to(ROOT)}:{text.count(chr(10), 0, hit.start()) + 1}" for hit in pattern.finditer(text)
        ]
    assert found == []
