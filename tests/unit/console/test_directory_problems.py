"""What the validation says is recognised with the values in it."""

from time import thread_time

import pytest

from console.directory.problems import _PATTERNS, _values


@pytest.mark.parametrize("pattern", _PATTERNS)
def test_every_pattern_fits_its_own_sentence_and_no_longer_one(pattern: str) -> None:
    assert _values(pattern, pattern) is not None
    assert _values(pattern, f"x{pattern}y") is None or pattern.startswith("{")


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
