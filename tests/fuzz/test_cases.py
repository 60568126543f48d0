"""What fuzzing found, and what the readers understand, does no harm."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, TOKENS

CASES = Path(__file__).with_name("cases")
FOUND = sorted(each for each in CASES.rglob("*") if each.is_file())


@pytest.mark.parametrize("case", FOUND, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_what_fuzzing_found_once_does_no_harm(case: Path) -> None:
    TARGETS[case.parent.name].run(case.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_every_reader_holds_for_what_it_understands_and_for_hostile_values(name: str) -> None:
    """Where fuzzing begins."""
    for content in (*TARGETS[name].seeds(), *TOKENS, b""):
        TARGETS[name].run(content)


def test_every_case_belongs_to_a_reader() -> None:
    assert {each.parent.name for each in FOUND} <= set(TARGETS)
