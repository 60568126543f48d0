"""Text from customers is printed harmlessly and aligned."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from witiop.cli.views.display import aligned, cut, duration, harmless, indented, status_cell, utc_minute

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Grüße aus 東京 😀 مرحبا", "Grüße aus 東京 😀 مرحبا"),
        ("one\r\ntwo\tthree\rfour", r"one ⏎ two three\rfour"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u2028b\u2066c\u200fd", r"a\u2028b\u2066c\u200fd"),
        ("non\u00a0breaking", "non breaking"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("\ud800", r"\ud800"),
    ],
)
def test_characters_that_would_drive_a_terminal_are_escaped(text: str, expected: str) -> None:
    assert expected == harmless(text)


@given(st.text())
def test_no_text_leaves_its_line_or_reverses_its_direction(text: str) -> None:
    assert all(char.isprintable() or char in "\u200c\u200d" for char in harmless(text))


def test_columns_line_up_also_with_wide_characters() -> None:
    rows = [[Text("東京"), Text("x"), Text("end")], [Text("a"), Text("long"), Text("")]]
    assert [line.plain for line in aligned(rows)] == ["東京  x     end", "a     long"]


def test_a_cut_text_ends_in_an_ellipsis() -> None:
    assert [cut(Text("東京 station"), cells).plain for cells in (12, 5)] == ["東京 station", "東京…"]


def test_further_lines_are_indented_below_the_first() -> None:
    lines = indented(Text("anna  "), "one two three four five\nsix", 26)
    assert [line.plain for line in lines] == ["anna  one two three four", "      five", "      six"]


def test_in_a_pipe_nothing_is_wrapped() -> None:
    assert [line.plain for line in indented(Text("anna  "), "x" * 5000, None)] == ["anna  " + "x" * 5000]


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (-5, "0m"),
        (0, "0m"),
        (59, "59m"),
        (60, "1h 00m"),
        (23 * 60 + 59, "23h 59m"),
        (24 * 60, "24h 00m"),
        (3000, "2d 2h"),
    ],
)
def test_durations_are_short(minutes: int, expected: str) -> None:
    assert expected == duration(timedelta(minutes=minutes))


def test_a_status_has_a_colour_an_icon_and_a_word() -> None:
    active, closed = status_cell("active"), status_cell("closed")
    assert (active.plain, str(active.style)) == ("● active", "yellow")
    assert (closed.plain, str(closed.style)) == ("✔ closed", "green")


def test_a_minute_is_shown_in_utc() -> None:
    rome = NOON.astimezone(tz=None)
    assert utc_minute(rome) == "2026-07-01 12:00"
