"""Cursors of lists: a client receives them as text and sends them back."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infra.postgres.lists.cursor import START, Cursor, CursorError

TIMES = st.datetimes(timezones=st.just(UTC))


@given(st.builds(Cursor, TIMES, st.uuids()))
@example(START)
@example(Cursor(datetime.min.replace(tzinfo=UTC), START.id))
def test_a_cursor_survives_the_conversion_to_text_and_back(cursor: Cursor) -> None:
    assert cursor == Cursor.parse(str(cursor))


@given(st.builds(Cursor, TIMES, st.uuids()))
def test_a_cursor_needs_no_quoting_in_a_shell_or_a_url(cursor: Cursor) -> None:
    text = str(cursor)
    assert len(text) == 32
    assert text.isascii()
    assert text.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "text", ["", "x", "é", "\ud800", "A" * 31, "A" * 33, "/" * 32, "f" * 32, "A" * 31 + "=", " " * 32]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(CursorError):
        Cursor.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_either_a_cursor_or_refused(text: str) -> None:
    try:
        Cursor.parse(text)
    except CursorError as error:
        assert "not a cursor" in str(error)
