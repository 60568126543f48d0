"""What documents say of tests, commands, settings and processes is true, and their links lead somewhere."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from tests.support.paths import ROOT
from witiop.cli.main import witiop
from witiop.settings import SECRETS, Settings, file_variable, variable
from witiop.wiring.processes import PROCESSES

DOCUMENTS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*DOCUMENTS, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md"))]
"""What a newcomer reads; the changelog tells of what was."""
_DEFINED = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
_COMMAND = re.compile(
    r"(?:^\.venv/bin/|^docker compose .*?run --rm (?:-T )?|^|`)witiop ([a-z][^\n`#|;<]*)", re.MULTILINE
)
_OTHERS = {"WITIOP_TEST_STACK", "WITIOP_TEST_BROWSER", "WITIOP_COMMAND_SECRET"}
"""Variables of tests and examples."""


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


@cache
def anchors(document: Path) -> set[str]:
    """The places of a page that links may name, as GitHub makes them."""
    text = _FENCE.sub("", document.read_text())
    found = set(re.findall(r'id="([^"]+)"', text))
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_to_a_page_and_a_place_that_exist(page: Path) -> None:
    missing = []
    for link in (a or b for a, b in _LINK.findall(_FENCE.sub("", page.read_text()))):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, place = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (place and place not in anchors(target)):
            missing.append(link)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    """Somebody would set it and wonder."""
    known = {variable(name) for name in Settings.model_fields} | {file_variable(name) for name in SECRETS} | _OTHERS
    named = set(re.findall(r"\bWITIOP_[A-Z0-9_]*[A-Z0-9]\b(?!_)", page.read_text()))
    assert named - known == set()


def _leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        sub = command.get_command(context, name)
        assert sub is not None
        yield from _leaves(sub, (*path, name))


def _problem(words: list[str]) -> str | None:
    """What is wrong with a command line of ours."""
    command: click.Command = witiop
    while isinstance(command, click.Group):
        if not words or words[0].startswith("-"):
            return None
        sub = command.get_command(click.Context(command), words[0])
        if sub is None:
            return f"no command {words[0]}"
        command, words = sub, words[1:]
    options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    given = {re.sub(r"[=\]).,:].*", "", word.lstrip("[(")) for word in words if re.match(r"[\[(]*--[a-z]", word)}
    return f"no option {sorted(given - options)}" if given - options else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_that_a_page_names_exists_with_its_options(page: Path) -> None:
    """A newcomer copies them."""
    names = set(witiop.list_commands(click.Context(witiop)))
    lines = [line for line in _COMMAND.findall(page.read_text()) if line.split()[0] in names]
    assert {line: found for line in lines if (found := _problem(line.split()))} == {}


def test_the_page_of_the_interfaces_has_every_command() -> None:
    """The names there are promises; what is missing may change."""
    text = (ROOT / "docs" / "design" / "interface.md").read_text().replace("\\|", "|")
    spans = re.findall(r"`([^`]+)`", text)

    def is_named(path: tuple[str, ...]) -> bool:
        way = r"\b".join([re.escape(path[0]), *(rf" (?:[a-z-]+\|)*{re.escape(name)}" for name in path[1:])])
        return any(re.match(rf"{way}(?![\w-])", span) for span in spans)

    assert [path for path in _leaves(witiop) if not is_named(path)] == []


@pytest.mark.parametrize(
    ("page", "begin", "end"),
    [
        ("README.md", "Each process is started by", "configured by"),
        ("docs/design/interface.md", "| `run PROCESS` |", "\n"),
        ("docs/scaling.md", "## Connections to the database", "\nAbout"),
        ("docs/runbook.md", "3. Replace the processes one by one", "what reads comes"),
    ],
)
def test_lists_of_the_processes_are_whole(page: str, begin: str, end: str) -> None:
    """What is not in the list is not started, counted or replaced."""
    text = (ROOT / page).read_text().split(begin)[1].split(end)[0]
    named = {name for name in PROCESSES if re.search(rf"\b{name}\b", text)}
    assert set(PROCESSES) == named
