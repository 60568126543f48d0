"""Tables as people make them: titles with a date above, headings in any words, sheets that explain the others."""

from datetime import date, datetime, timedelta

import openpyxl
import pytest
from openpyxl.styles import Font
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from domain.campaigns.files.refusals import RefusedFile
from tests.support.sheets import book, described, first_rows, row, saved, sheet, workbook_of

GOOD = [["+16505550001", "Oliver"]]


@pytest.mark.parametrize("beside", [date(2026, 11, 30), "2026-11-30", "30/11/2026", 4711, True])
def test_a_title_with_a_date_or_a_number_is_above_the_headings(beside: date | str | int) -> None:
    content = saved(workbook_of(("Customers", beside), (None,), ("Phone", "Name"), ("+16505550001", "Oliver")))
    found = described(content)
    assert (3, ["Phone", "Name"], 1) == (found["headings"]["row"], found["headings"]["columns"], found["rows"])


@pytest.mark.parametrize("phone", ["4.47E+11", "US.13491208655302741918", "+44 7700 900123 ext. 12", "no phone"])
def test_no_row_is_lost_where_nobody_knows_the_words_of_the_headings(phone: str) -> None:
    """Also if the phones are none, and a row has more cells than the headings."""
    found = described(f"Handy,Kunde\n{phone},O\n{phone},P,x\n{phone},Q\n".encode())
    assert (1, ["Handy", "Kunde", ""], 3) == (found["headings"]["row"], found["headings"]["columns"], found["rows"])


def test_user_ids_are_customers_and_no_headings() -> None:
    found = described(b"US.13491208655302741918,Oliver\nUS.13491208655302741919,Emma\n")
    assert (0, 2, 0) == (found["headings"]["row"], found["rows"], found["headings"]["guess"]["phone"])


def test_a_customer_without_a_phone_is_not_taken_for_a_title() -> None:
    """The row above has a number, and no word of headings follows."""
    found = described(saved(workbook_of(("Ava", 5), ("Emma", "x"), ("Oliver", "+16505550001"))))
    assert (0, 3) == (found["headings"]["row"], found["rows"])


def test_a_sheet_with_nothing_but_a_title_or_blanks_is_passed_over() -> None:
    for first in ("How to fill in this file", " ", "Phone"):
        made = workbook_of((first,))
        made.worksheets[0]["C9"].font = Font(bold=True)
        made.create_sheet("People")
        for cells in (("Phone", "Name"), *GOOD):
            made["People"].append(tuple(cells))
        assert GOOD == first_rows(saved(made))
    with pytest.raises(RefusedFile) as refused:
        described(saved(workbook_of(("Phone", "Name"))))
    assert "no_rows" == refused.value.problem


def test_one_customer_without_headings_is_not_passed_over() -> None:
    made = workbook_of(*GOOD)
    made.create_sheet("Words").append(("a", "b"))
    made["Words"].append(("c", "d"))
    assert GOOD == first_rows(saved(made))


def test_a_chart_or_a_sheet_hidden_by_a_macro_is_no_table() -> None:
    made = workbook_of(("Phone", "Name"), *GOOD)
    made.create_chartsheet("Chart", 0)
    assert GOOD == first_rows(saved(made))
    sheets = '<sheet name="Old" sheetId="1" state="veryHidden" r:id="rId1"/><sheet name="P" sheetId="2" r:id="rId2"/>'
    people = sheet(row(1, "Phone", "Name") + row(2, *GOOD[0]))
    assert GOOD == first_rows(book(row(1, "x") + row(2, "y"), {"xl/worksheets/sheet2.xml": people}, sheets))


def test_a_formula_that_was_never_computed_is_an_error() -> None:
    """As programs write it that are no spreadsheet programs: an empty cell would be a lie. An empty text is none."""
    made = workbook_of(("Phone", "Name"), ("+16505550001", '=A2&"<x>"'), ("=B2", "Emma"))
    assert [["+16505550001", {"error": '=A2&"<x>"'}], [{"error": "=B2"}, "Emma"]] == first_rows(saved(made))
    shared = '<c><f t="shared" si="0"/></c>'
    empty = '<c t="str"><f>IF(1,"","")</f><v></v></c>'
    cells = first_rows(book(row(1, "Phone", "a", "b") + row(2, "+16505550001", shared, empty)))
    assert [["+16505550001", {"error": "="}]] == [[cell for cell in line if cell is not None] for line in cells]


def test_texts_of_several_fonts_and_readings_are_one_text() -> None:
    """Rich text, and Japanese names with how they are spoken."""
    strings = (
        '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><r><t>Pho</t></r>'
        '<r><rPr><b/></rPr><t>ne</t></r></si><si><t>山田</t><rPh sb="0" eb="2"><t>ヤマダ</t></rPh></si></sst>'
    )
    shared = '<c t="s"><v>{}</v></c>'
    rows = row(1, shared.format(0), "Name") + row(2, "+16505550001", shared.format(1))
    found = described(book(rows, {"xl/sharedStrings.xml": strings}))
    assert ["Phone", "Name"] == found["headings"]["columns"]
    assert ["+16505550001", "山田"] == found["headings"]["first"][0]["cells"]


def test_dates_of_a_workbook_that_counts_from_1904_are_the_same_days() -> None:
    made = openpyxl.Workbook()
    made.epoch = CALENDAR_MAC_1904
    day = datetime(2026, 11, 30, 10, 5)  # noqa: DTZ001 - as the file has it
    for cells in (("Phone", "Day", "Long"), ("+16505550001", day, timedelta(hours=30))):
        made.worksheets[0].append(cells)
    assert [["+16505550001", {"date": "2026-11-30T10:05:00"}, {"seconds": 108000.0}]] == first_rows(saved(made))
