"""What `witiop campaigns import` understands of its options about columns."""

import click
import pytest

from witiop.cli.campaigns.mapping import (
    column_named,
    letters_of,
    mapping_body,
    mapping_text,
    read_map,
    read_quiet,
    read_values,
    without_column,
)


def test_columns_have_the_letters_of_spreadsheet_programs() -> None:
    for letters, column in (("A", 0), ("z", 25), ("AA", 26), ("XFD", 16_383)):
        assert column == column_named(letters)
        assert letters.upper() == letters_of(column)


def test_names_and_variables_are_told_apart() -> None:
    """A variable that is called like a column is written in braces, or is read from that column."""
    columns = read_map("phone=A, 1=B, name=C, {{language}}=D")
    assert {"phone": 0, "name": 2} == columns.kinds
    assert {"1": 1, "language": 3} == columns.parameters
    body = mapping_body(columns, {"2": "there"}, ["1", "2", "name"])
    assert {"1": 1, "language": 3, "name": 2} == body["parameters"]
    assert {"2": "there"} == body["values"]
    assert columns == read_map(mapping_text({**columns.kinds, "parameters": columns.parameters}))


def test_columns_that_the_file_does_not_have_are_named_as_they_were_written() -> None:
    mapping = mapping_body(read_map("phone=A,name=C,1=D,{{zone}}=E"), {}, ["1", "zone"])
    assert "name=C,1=D,{{zone}}=E" == without_column(mapping, 2)
    assert "" == without_column(mapping, 5)


@pytest.mark.parametrize("text", ["phone", "phone=1", "phone=ABCD", "a b=C", "=A"])
def test_what_is_no_column_is_said(text: str) -> None:
    with pytest.raises(click.UsageError, match="letters of its column"):
        read_map(text)


def test_values_and_quiet_hours_are_read_or_refused() -> None:
    assert {"2": "until 9:00 = early", "name": ""} == read_values(["2=until 9:00 = early", "{{name}}="])
    assert {"start": "20:00", "end": "09:00"} == read_quiet("20:00-9:00")
    with pytest.raises(click.UsageError, match="VARIABLE=VALUE"):
        read_values(["there"])
    with pytest.raises(click.UsageError, match="two times of day"):
        read_quiet("20-9")
