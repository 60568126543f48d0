"""The rows of a file: all that is wrong with each, and what is sent to the good ones."""

from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.campaigns.content import content_of
from domain.campaigns.files.cells import CellError, FileCell
from domain.campaigns.files.rows import CheckedRow
from domain.command_bodies.campaigns import ColumnMapping
from domain.sending.templates import Template, WrongParameters
from infra.sheets.checking import check_rows, row_rules
from infra.sheets.rows import file_rows
from tests.support.sheets import described, saved, workbook_of

PHONE = "+393331234567"


def template(body: str, language: str = "en", *others: dict[str, Any], named: bool = False) -> Template:
    components = [{"type": "BODY", "text": body}, *others]
    return Template("1", "autumn", language, "APPROVED", "MARKETING", "NAMED" if named else "POSITIONAL", components)


HELLO = template("Hi {{1}}, your order {{2}}")


def checked(*cells: FileCell, templates: tuple[Template, ...] = (HELLO,), **mapping: Any) -> CheckedRow:
    """Checks a row of phone, first and second parameter."""
    columns = ColumnMapping.model_validate({"phone": 0, "parameters": {"1": 1, "2": 2}, **mapping})
    return row_rules(columns, templates, "+39 02 1234567").check(cells)


def problems(row: CheckedRow) -> list[tuple[int, str]]:
    return [(each.place, each.problem) for each in row.problems]


def test_a_good_row_is_a_recipient() -> None:
    row = checked(PHONE, " Oliver ", 4711.0, name=1)
    assert row.address is not None
    assert ("393331234567", "Oliver", {"1": "Oliver", "2": "4711"}) == (row.address.address, row.name, row.parameters)
    assert () == tuple(row.problems)


def test_all_problems_of_a_row_are_found() -> None:
    """The phone's first."""
    row = checked("12", "", "a\nb", "Mars/Olympus", "xx", zone=3, language=4)
    assert [
        (0, "phone_invalid"),
        (1, "parameter_empty"),
        (2, "parameter_line_break"),
        (3, "zone_unknown"),
        (4, "language_unknown"),
    ] == problems(row)


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("", "parameter_empty"),
        (None, "parameter_empty"),
        (" \u200b ", "parameter_empty"),  # nothing that can be seen
        ("two\nlines", "parameter_line_break"),
        ("a\ttab", "parameter_line_break"),
        ("a\u2028b", "parameter_line_break"),
        ("a     b", "parameter_spaces"),
        ("x" * 1025, "parameter_too_long"),
        ("x" * 1020, "parameter_too_long"),  # fits, but not into the body
        (CellError("#REF!"), "cell_error"),
    ],
)
def test_a_parameter_that_meta_refuses_is_a_problem(cell: FileCell, problem: str) -> None:
    assert [(1, problem)] == problems(checked(PHONE, cell, "4711"))


def test_the_longest_parameter_is_what_makes_a_body_too_long() -> None:
    """Of several templates the least roomy one counts: a person gets any of them."""
    long = template("Hello {{1}} " + "x" * 900 + " {{2}}")
    assert [(2, "parameter_too_long")] == problems(checked(PHONE, "Oliver", "y" * 120, templates=(HELLO, long)))
    assert [] == problems(checked(PHONE, "Oliver", "y" * 120))


def test_an_empty_cell_takes_the_value_for_everybody() -> None:
    """A row that is shorter than others has empty cells."""
    row = checked(PHONE, values={"1": "friend", "2": "of yours"})
    assert ({"1": "friend", "2": "of yours"}, []) == (row.parameters, problems(row))


def test_line_breaks_become_spaces_if_wanted() -> None:
    row = checked(PHONE, "Via Roma 1\r\n\r\n20121 Milano", "a\tb", line_breaks="space")
    assert ({"1": "Via Roma 1 20121 Milano", "2": "a b"}, []) == (row.parameters, problems(row))


@pytest.mark.parametrize(
    ("cell", "english", "italian"),
    [
        (datetime(2026, 11, 30), "November 30, 2026", "30 novembre 2026"),  # noqa: DTZ001 - cells have no zone
        (datetime(2026, 11, 30, 9, 5), "November 30, 2026 9:05 AM", "30 novembre 2026 09:05"),  # noqa: DTZ001
        (date(2026, 3, 4), "March 4, 2026", "4 marzo 2026"),
        (time(18, 30), "6:30 PM", "18:30"),
        (timedelta(hours=30, minutes=5), "30:05", "30:05"),
        (12.5, "12.5", "12,5"),
        (0.1 + 0.2, "0.3", "0,3"),
        (123456.0, "123456", "123456"),
        (4.4770090012e20, "4.4770090012E+20", "4,4770090012E+20"),
        (0, "0", "0"),
        (True, "TRUE", "TRUE"),
    ],
)
def test_a_cell_is_written_as_people_write_it_in_the_language(cell: FileCell, english: str, italian: str) -> None:
    assert english == checked(PHONE, cell, "x").parameters["1"]
    assert italian == checked(PHONE, cell, "x", templates=(template("{{1}} {{2}}", "it"),)).parameters["1"]


def test_what_postgresql_cannot_store_is_left_out() -> None:
    assert {"1": "Anna", "2": "b"} == checked(PHONE, "An\x00na", "b").parameters


def test_zones_and_languages_are_understood_by_name() -> None:
    """A language is that of a template, if need be of another region."""
    brazil = template("{{1}} {{2}}", "pt_BR")
    row = checked(PHONE, "a", "b", "america/New york", "English", zone=3, language=4, templates=(brazil, HELLO))
    assert ("America/New_York", "en", []) == (row.zone, row.language, problems(row))
    row = checked(PHONE, "a", "b", "", "pt-PT", zone=3, language=4, templates=(brazil, HELLO))
    assert (None, "pt_BR", []) == (row.zone, row.language, problems(row))
    row = checked(PHONE, "a", "b", "", "Deutsch", zone=3, language=4, templates=(brazil, HELLO))
    assert [(4, "language_unknown")] == problems(row)


def test_a_date_is_written_in_the_language_of_the_row() -> None:
    italian = template("{{1}} {{2}}", "it")
    row = checked(PHONE, date(2026, 3, 4), "b", "", "italiano", language=4, templates=(HELLO, italian))
    assert "4 marzo 2026" == row.parameters["1"]


def test_headers_and_buttons_have_parameters_too() -> None:
    """A picture's comes with the mapping."""
    shown = template(
        "Hi {{name}}",
        "en",
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Track", "url": "https://a.test/{{1}}"}]},
        named=True,
    )
    picture = str(UUID(int=5))
    mapping = {"parameters": {"name": 1, "button.0": 2}, "values": {"header": picture}}
    row = checked(PHONE, "Oliver", "A 1", templates=(shown,), **mapping)
    assert {"header": picture, "name": "Oliver", "button.0": "A 1"} == row.parameters
    assert content_of(shown, dict(row.parameters)).text.startswith("Hi Oliver")


CELLS = st.text(max_size=30) | st.floats() | st.none() | st.dates() | st.sampled_from(["x" * 1030, "a\nb", "a      b"])


@given(st.lists(CELLS, max_size=5), st.sampled_from(["problem", "space"]))
def test_a_row_without_problems_can_be_sent(cells: list[FileCell], line_breaks: str) -> None:
    """What the import lets through, the sender does not refuse (C4)."""
    row = checked(PHONE, *cells, line_breaks=line_breaks)
    try:
        content_of(HELLO, dict(row.parameters))
    except (ValidationError, WrongParameters):
        assert [] != problems(row)
    else:
        assert [] == problems(row)


def test_two_values_for_everybody_with_the_same_problem_are_one_problem() -> None:
    """They have no column: both stand in the place of the phone, where the database knows each problem once."""
    mapping = {"phone": 0, "values": {"1": "two\nlines", "2": "of\nvalues"}}
    request = {"mapping": mapping, "templates": [[*HELLO]], "phone": "+1 650 555 0000", "width": None, "after": 0}
    (frame,) = check_rows(b"+16505550001\n", request)
    assert b"1\t0\tparameter_line_break\ttwo\\nlines\n" == frame.problems


def test_a_row_of_a_text_with_more_cells_than_headings_has_shifted_ones() -> None:
    """Nobody gets the street of their address as the number of their order. Notes beside the table of a workbook shift
    nothing."""
    content = b"Phone,Name,Order\n+16505550001,Rossi, Anna,4711\n+16505550002,Emma,4712,\n"
    width = described(content)["headings"]["width"]
    rules = row_rules(ColumnMapping(phone=0, parameters={"1": 1, "2": 2}), [HELLO], "+39 02 1234567", width)
    _, shifted, good = file_rows(content)
    assert ([(3, "too_many_cells")], []) == (problems(rules.check(shifted.cells)), problems(rules.check(good.cells)))
    beside = saved(workbook_of(("Phone", "Name"), ("+16505550001", "Rossi", "called twice")))
    assert described(beside)["headings"]["width"] is None
