"""What a column is, guessed from its heading in English or Italian, and from its content."""

import json
from datetime import date

import pytest

from domain.campaigns.files.cells import CellError, FileCell, cell_from_json, cell_to_json
from domain.campaigns.files.columns import ColumnGuess, guess_columns, guess_parameters, heading_row

ROW: list[FileCell] = ["Oliver", "+16505550001", "en", "Europe/Rome"]


def guess(*headings: str, rows: list[list[FileCell]] | None = None) -> ColumnGuess:
    found = rows if rows is not None else [ROW]
    return guess_columns(headings, found, lambda text: text in ("en", "it", "de"))


@pytest.mark.parametrize(
    "headings",
    [
        ("Name", "Phone", "Language", "Time zone"),
        ("Nome e cognome", "Numero di telefono", "Lingua", "Fuso orario"),
        ("CLIENTE", "cellulare (WhatsApp)", "lingua", "Fuso"),
        ("first_name", "phone_number", "lang", "timezone"),
    ],
)
def test_headings_are_understood_in_english_and_italian(headings: tuple[str, ...]) -> None:
    assert ColumnGuess(phone=1, name=0, language=2, zone=3) == guess(*headings)


def test_without_headings_the_content_tells_all_but_the_name() -> None:
    assert ColumnGuess(phone=1, name=None, language=2, zone=3) == guess("", "", "", "")


def test_among_several_phones_the_column_with_most_of_them_counts() -> None:
    rows: list[list[FileCell]] = [["", "+16505550001"], ["n.a.", 16505550002.0]]
    assert 1 == guess("Phone", "Mobile", rows=rows).phone


def test_an_order_number_is_no_phone_if_a_heading_says_phone() -> None:
    rows: list[list[FileCell]] = [["4711471147", "+16505550001"]]
    assert 1 == guess("Order", "Phone", rows=rows).phone


@pytest.mark.parametrize(
    ("headings", "variables", "expected"),
    [
        (("Phone", "Name", "Order"), ("1", "2"), {"1": 1, "2": 2}),  # as many as are left
        (("Phone", "{{2}}", "{{1}}"), ("1", "2"), {"1": 2, "2": 1}),
        (("Phone", "Variable 1", "x"), ("1",), {"1": 1}),
        (("Phone", "Order_ID", "Name"), ("order_id", "name"), {"order_id": 1, "name": 2}),
        (("Phone", "Cliente", "Zip", "x"), ("name",), {"name": 1}),  # the column with names
        (("Phone", "a", "b"), ("1",), {}),
    ],
)
def test_parameters_are_found_by_the_name_of_their_variable(
    headings: tuple[str, ...], variables: tuple[str, ...], expected: dict[str, int]
) -> None:
    columns = guess(*headings, rows=[["+16505550001", "Oliver", "4711", "x"]])
    assert expected == guess_parameters(headings, columns, variables)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["Phone", "Name"], ["+16505550001", "Oliver"]], 0),
        ([["Customers of March"], ["Phone", "Name"], ["+16505550001", "Oliver"]], 1),
        ([["Phone", "Name"], ["(with country)", "(first)"], ["+16505550001", "Oliver"]], 0),
        ([["+16505550001", "Oliver"]], None),
        ([["Oliver", 16505550001.0]], None),
        ([["Phone", "Name"], ["n.a.", "Oliver"], ["+16505550001", "Emma"]], 0),
        ([["a", "b"]], 0),
        ([], None),
    ],
)
def test_headings_stand_above_the_customers(rows: list[list[FileCell]], expected: int | None) -> None:
    assert expected == heading_row(rows)


@pytest.mark.parametrize("cell", ["text", 1, 1.5, True, date(2026, 11, 30), CellError("#N/A"), None])
def test_a_stored_cell_is_what_it_was(cell: FileCell) -> None:
    assert cell == cell_from_json(json.loads(json.dumps(cell_to_json(cell), allow_nan=False)))


def test_a_number_without_end_is_stored_as_a_text() -> None:
    """JSON has none; a file may."""
    assert "inf" == cell_to_json(float("inf"))
