"""What the validation says is recognised with the values in it."""

import re
from time import thread_time

import pytest

from console.directory.problems import _PATTERNS, _TRANSLATED, _values
from console.words import catalogue
from tests.unit.domain.directory_file import test_reader


@pytest.mark.parametrize("pattern", _PATTERNS)
def test_every_pattern_fits_its_own_sentence_and_no_longer_one(pattern: str) -> None:
    assert _values(pattern, pattern) is not None
    assert _values(pattern, f"x{pattern}y") is None or pattern.startswith("{")


def _refused() -> list[str]:
    """What the validation says of tables, by the tests of the file's reader, without line and key."""
    numbers, users, rules = (
        test_reader.test_an_invalid_line_of_a_number_is_named_with_its_fix,
        test_reader.test_an_invalid_line_of_a_user_is_named_with_its_fix,
        test_reader.test_a_rule_that_cannot_be_is_refused_with_what_would_be_right,
    )
    found = [case[-1] for test in (numbers, users, rules) for case in vars(test)["pytestmark"][0].args[1]]
    return [re.sub(r"^\d+: ", "", each) for each in found]


@pytest.mark.parametrize("message", _refused())
def test_everything_that_the_validation_says_of_a_table_is_said_in_italian(message: str) -> None:
    said = re.sub(r"^[a-z_.0-9A-Z]+: ", "", message)
    pattern = next((each for each in _PATTERNS if _values(each, said) is not None), None)
    assert pattern is not None
    assert pattern != catalogue("it").gettext(pattern)


@pytest.mark.parametrize("text", [text for words in _TRANSLATED.values() for text in words.values()])
def test_words_in_what_the_validation_says_have_their_italian(text: str) -> None:
    assert text == "skillset" or text != catalogue("it").gettext(text)


def test_values_are_found_between_the_words() -> None:
    pattern = '{value} crosses midnight; split it: "{first}" here and "{second}" on the next day'
    message = '"22-2" crosses midnight; split it: "22:00-24:00" here and "00:00-02:00" on the next day'
    assert {"value": '"22-2"', "first": "22:00-24:00", "second": "00:00-02:00"} == _values(pattern, message)
    assert {} == _values("nothing to fill in", "nothing to fill in")
    assert {"value": "a", "most": "20"} == _values("no {value}; use 1 to {most}", "no a; use 1 to 20")
    assert _values("no {value}; use 1 to {most}", "no a; use 1") is None


def test_what_was_typed_keeps_no_page_busy() -> None:
    began = thread_time()
    for pattern in _PATTERNS:
        _values(pattern, '"' * 20_000 + " and " * 4000)
    assert thread_time() - began < 0.5
