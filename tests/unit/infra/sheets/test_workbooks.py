"""Workbooks about campaigns: the example file of a template, and the rows of a file with problems. Each can be read
again."""

import io
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

from domain.campaigns.content import content_of
from domain.campaigns.files.columns import ColumnGuess, guess_parameters
from domain.command_bodies.campaigns import ColumnMapping
from domain.sending.templates import Template
from infra.sheets.checking import row_rules
from infra.sheets.example import example_file
from infra.sheets.problem_book import problem_book
from tests.support.sheets import described

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
ORDER = Template(
    "1",
    "order_shipped",
    "en",
    "APPROVED",
    "UTILITY",
    "POSITIONAL",
    [
        {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}", "example": {"header_text": ["4711"]}},
        {"type": "BODY", "text": "Hi {{1}}, it comes on {{2}}", "example": {"body_text": [["Pablo", "Monday"]]}},
        {
            "type": "BUTTONS",
            "buttons": [{"type": "URL", "url": "https://a.test/{{1}}", "example": ["https://a.test/x"]}],
        },
    ],
)


class Row(NamedTuple):
    row_no: int
    cells: list[Any] | None = None
    address: str | None = None
    name: str | None = None
    parameters: dict[str, str] | None = None
    repeats: int | None = None
    problems: tuple[tuple[int, str, str], ...] = ()


class EnglishWords:
    title, row, why = "Rows with problems", "Row", "Why"

    def problem(self, code: str) -> str:
        return {"phone_is_a_number": "was saved as a number and has lost digits"}.get(code, code)

    def repeats(self, row: int) -> str:
        return f"the same person as in row {row}"


def opened(parts: Any) -> tuple[bytes, Worksheet]:
    content = b"".join(parts)
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    return content, sheet


def values(sheet: Worksheet) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def test_an_example_file_shows_what_belongs_where() -> None:
    """With the values with which Meta approved the template."""
    _, sheet = opened(example_file([ORDER], NOW))
    assert [
        ["Phone", "Name", "header", "{{1}}", "{{2}}", "button.0"],
        ["+447700900123", "Oliver Smith", "4711", "Pablo", "Monday", "x"],
        ["+12025550143", "Maria Rossi", "4711", "Pablo", "Monday", "x"],
    ] == values(sheet)


def test_the_cells_of_an_example_are_texts_also_those_that_people_fill_in() -> None:
    """Otherwise a phone that is typed becomes a number, and loses its zeros."""
    _, sheet = opened(example_file([ORDER], NOW))
    assert {"@"} == {cell.number_format for row in sheet.iter_rows(min_row=2) for cell in row}
    assert "@" == sheet.column_dimensions["A"].number_format


def test_an_example_file_can_be_sent_as_it_is() -> None:
    """Its columns are guessed, and its rows have no problem."""
    content, _ = opened(example_file([ORDER], NOW, phone="Telefono", name="Nome"))
    found = described(content)["headings"]
    guess = ColumnGuess(**found["guess"])
    parameters = guess_parameters(found["columns"], guess, ["header", "1", "2", "button.0"])
    mapping = ColumnMapping.model_validate({"phone": guess.phone, "name": guess.name, "parameters": parameters})
    for each in found["first"]:
        row = row_rules(mapping, [ORDER], "").check(each["cells"])
        assert [] == [*row.problems]
        assert content_of(ORDER, dict(row.parameters)).text == "Order 4711\nHi Pablo, it comes on Monday"


def test_a_name_and_a_picture_have_no_column_of_their_own() -> None:
    """The name has one anyway, the picture is the same for everybody."""
    template = Template(
        *("1", "hello", "en", "APPROVED", "MARKETING", "NAMED"),
        [{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "{{name}} {{city}}"}],
    )
    _, sheet = opened(example_file([template], NOW))
    assert ["Phone", "Name", "city"] == values(sheet)[0]
    assert ["city 1", "city 2"] == [row[2] for row in values(sheet)[1:]]


def test_rows_with_problems_keep_their_cells_and_say_why() -> None:
    """A phone is a text in it, whatever it was; a row that repeats another has what is known of it."""
    rows = [
        Row(2, [4.4770090012e20, "Oliver", {"date": "2026-11-30"}, 12.5], problems=((0, "phone_is_a_number", ""),)),
        Row(3, ["=1+1", None, {"error": "#N/A"}], problems=((0, "phone_invalid", ""), (2, "cell_error", ""))),
        Row(9, None, "16505550001", "Emma", {"1": "Monday"}, repeats=4),
    ]
    mapping = ColumnMapping.model_validate({"phone": 0, "name": 1, "parameters": {"1": 2}})
    _, sheet = opened(problem_book(["Phone", "Name", "", "Sum"], mapping, rows, EnglishWords(), NOW))
    assert [
        ["Phone", "Name", "C", "Sum", "Row", "Why"],
        [
            *("4.4770090012E+20", "Oliver", datetime(2026, 11, 30), 12.5, 2),  # noqa: DTZ001 - cells have no zone
            "Phone: was saved as a number and has lost digits",
        ],
        ["=1+1", None, "#N/A", None, 3, "Phone: phone_invalid; C: cell_error"],
        ["+16505550001", "Emma", "Monday", None, 9, "the same person as in row 4"],
    ] == values(sheet)
    assert ["s", "n", "s"] == [sheet["A3"].data_type, sheet["D2"].data_type, sheet["C3"].data_type]


def test_a_mended_workbook_is_read_like_the_file() -> None:
    """Its headings and places are the same; the two columns at the end are of no use."""
    rows = [Row(2, ["12", "Oliver", {"date": "2026-11-30"}], problems=((0, "phone_invalid", ""),))]
    mapping = ColumnMapping.model_validate({"phone": 0})
    content, _ = opened(problem_book(["Phone", "Name", "Day"], mapping, rows, EnglishWords(), NOW))
    found = described(content)["headings"]
    assert ["Phone", "Name", "Day", "Row", "Why"] == found["columns"]
    assert ["12", "Oliver", {"date": date(2026, 11, 30).isoformat()}] == [
        *found["first"][0]["cells"][:2],
        {"date": found["first"][0]["cells"][2]["date"][:10]},
    ]
