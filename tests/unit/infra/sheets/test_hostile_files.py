"""Files that harm other programs end with a clear reason, in a process of their own with little memory; what only looks
odd is read."""

import io
import os
import struct
from collections.abc import Iterator
from datetime import date
from signal import SIGKILL, SIGSTOP
from zipfile import ZipFile

import openpyxl
import pytest
from openpyxl.styles import Font

from domain.campaigns.files.refusals import MAX_FILE_COLUMNS, RefusedFile
from infra.sheets.child import FileReader, ReaderKilled
from infra.sheets.program import MEMORY
from tests.support.sheets import book, described, described_apart, first_rows, row, saved, sheet, workbook_of

HEAD = row(1, "Phone", "Name")
GOOD = row(2, "+16505550001", "Oliver")


def refusal(content: bytes, memory: int | None = MEMORY) -> tuple[str, str | None]:
    """Returns why a file is refused. `memory`: of the process that reads it; None: of the test's own."""
    with pytest.raises(RefusedFile) as refused:
        described_apart(content, memory) if memory is not None else described(content)
    return refused.value.problem, refused.value.detail


def test_a_file_that_is_small_and_unpacks_to_gigabytes_is_not_unpacked() -> None:
    """The parts say how large they are."""
    content = book(HEAD + GOOD, {"xl/media/image1.png": b""})
    at = content.rindex(b"xl/media/image1.png") - 46 + 24  # the size in the directory at the end
    content = content[:at] + struct.pack("<I", 2**31) + content[at + 4 :]
    problem, detail = refusal(content)
    assert ("unpacks_too_large", True) == (problem, int(detail or 0) >= 2**31)


def test_a_part_that_says_it_is_small_is_not_read_further() -> None:
    """It lies about its size: a good program would not write it."""
    content = book(HEAD + GOOD + " " * 50_000_000)
    at = content.rindex(b"xl/worksheets/sheet1.xml") - 46 + 24
    content = content[:at] + struct.pack("<I", 1000) + content[at + 4 :]
    assert "damaged" == refusal(content)[0]


def test_a_sheet_of_a_trillion_cells_ends_the_reader_and_nothing_else() -> None:
    """Two texts at its corners: calamine makes room for all between them."""
    far = '<row r="1048576"><c r="IV1048576" t="inlineStr"><is><t>x</t></is></c></row>'
    assert "too_much_memory" == refusal(book(HEAD + GOOD + far))[0]


def test_texts_that_fill_the_memory_end_the_reader_and_nothing_else() -> None:
    """A few hundred kilobytes of shared strings: five million of one letter. Here with little memory."""
    item = b"<si><t>a</t></si>"
    many = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">' + item * 5_000_000 + b"</sst>"
    little = 256 * 1024 * 1024
    assert "too_much_memory" == refusal(book(HEAD + GOOD, {"xl/sharedStrings.xml": many}), little)[0]
    assert 1 == described_apart(book(HEAD + GOOD), little)["rows"]


def test_too_many_columns_are_refused() -> None:
    far = row(3, "+16505550002") + '<row r="4"><c r="XFD4" t="inlineStr"><is><t>x</t></is></c></row>'
    assert ("too_many_columns", "16384") == refusal(book(HEAD + GOOD + far))
    assert ("too_many_columns", "257") == refusal(("a," * MAX_FILE_COLUMNS + "b\n").encode())


def test_a_million_empty_rows_are_no_rows() -> None:
    """Also if they have a style, or blanks."""
    styled = "".join(f'<row r="{n}"><c r="A{n}" s="0"/></row>' for n in range(3, 1_000_000))
    assert 1 == described_apart(book(HEAD + GOOD + styled))["rows"]
    assert 1 == described_apart(b"Phone,Name\n+16505550001,Oliver\n" + b" ,\n" * 1_000_000)["rows"]


def test_more_rows_than_a_sheet_has_are_refused() -> None:
    content = b"Phone\n" + b"+16505550001\n" * 1_048_576
    assert ("too_many_rows", "1048577") == refusal(content)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ("empty", None)),
        (b"\xef\xbb\xbf \r\n", ("empty", None)),
        (b"\r\n,,,\r\n", ("empty", None)),
        (b"Phone,Name\r\n", ("no_rows", None)),
        (book(""), ("empty", None)),
        (book(HEAD), ("no_rows", None)),
        (b"<html><table><tr><td>+16505550001</td></tr></table></html>", ("unknown_kind", "html")),
        (b"\xef\xbb\xbf<!DOCTYPE html>", ("unknown_kind", "html")),
        (b'<?xml version="1.0"?><Workbook/>', ("unknown_kind", "xml")),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), ("old_excel", None)),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
            ("encrypted", None),
        ),
        (b"%PDF-1.7", ("unknown_kind", "pdf")),
        (bytes(range(256)) * 10, ("unknown_kind", "binary")),
        (b"PK\x03\x04 and nothing more", ("damaged", "zip")),
        (book(HEAD, {"xl/workbook.xml": "<workbook"}), ("damaged", "XmlError")),
        (b'Phone,Name\n+16505550001,"Oliver\n' + b"x,y\n" * 50_000, ("open_quote", "line 2")),
    ],
)
def test_what_is_no_table_is_refused_by_name(content: bytes, expected: tuple[str, str | None]) -> None:
    problem, detail = refusal(content)
    assert expected[0] == problem
    if problem != "damaged":
        assert expected == (problem, detail)


def test_other_kinds_of_workbooks_are_refused_by_name() -> None:
    made = io.BytesIO()
    with ZipFile(made, "w") as archive:
        archive.writestr("content.xml", "<office/>")
    assert ("unknown_kind", "ods") == refusal(made.getvalue())


def test_macros_do_not_run_and_do_not_matter() -> None:
    """The rows of an XLSM are those of an XLSX."""
    content = book(HEAD + GOOD, {"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0 Sub Workbook_Open()"})
    assert [["+16505550001", "Oliver"]] == first_rows(content)


def test_entities_are_not_expanded() -> None:
    """A billion laughs: the index of the sheets may have none."""
    laughs = '<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    index = (
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.'
        'openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="&b;" sheetId="1" r:id="rId1"/>'
        "</sheets></workbook>"
    )
    assert "damaged" == refusal(book(HEAD + GOOD, {"xl/workbook.xml": laughs + index}))[0]


def test_a_formula_counts_as_its_value_and_an_error_as_an_error() -> None:
    """Calamine reads an error as an empty cell; people must see that it was one."""
    cells = (
        '<c t="str"><f>CONCAT("+1650","5550001")</f><v>+16505550001</v></c>',
        '<c t="e"><f>VLOOKUP(A2,B:C,2)</f><v>#N/A</v></c>',
        "<c><f>1+1</f><v>2</v></c>",
        "<c t='e'><v>#REF!</v></c>",
    )
    content = book(row(1, "Phone", "Name", "n", "m") + row(2, *cells))
    assert [["+16505550001", {"error": "#N/A"}, 2.0, {"error": "#REF!"}]] == first_rows(content)


def test_dates_numbers_and_truth_are_what_they_are() -> None:
    made = workbook_of(("Phone", "Day", "Paid", "Sum"), (447700900123, date(2026, 11, 30), True, 12.5))
    (cells,) = first_rows(saved(made))
    assert [447700900123.0, {"date": "2026-11-30"}, True, 12.5] == cells


def test_merged_cells_have_their_value_once() -> None:
    """In the first of them; a title over the headings is no heading."""
    made = workbook_of(("Customers of March", None), ("Phone", "Name"), ("+16505550001", "Oliver"), (None, "Emma"))
    made.worksheets[0].merge_cells("A1:B1")
    made.worksheets[0].merge_cells("A3:A4")
    found = described(saved(made))
    assert (2, ["Phone", "Name"], 2) == (found["headings"]["row"], found["headings"]["columns"], found["rows"])
    assert [["+16505550001", "Oliver"], [None, "Emma"]] == [each["cells"] for each in found["headings"]["first"]]


def test_a_second_row_of_headings_is_a_row_that_people_see() -> None:
    """Nothing is left out unseen."""
    content = book(HEAD + row(2, "(with country)", "(first)") + row(3, "+16505550001", "Oliver"))
    found = described(content)
    assert (1, 2) == (found["headings"]["row"], found["rows"])


def test_a_file_without_headings_begins_with_its_first_row() -> None:
    found = described(b"+16505550001,Oliver\n+16505550002,Emma\n")
    assert (0, ["", ""], 2) == (found["headings"]["row"], found["headings"]["columns"], found["rows"])
    assert 0 == found["headings"]["guess"]["phone"]


def test_the_same_heading_twice_is_two_columns() -> None:
    """The one with phones is the phone."""
    found = described(b"Phone,Phone,Name\nx,+16505550001,Oliver\n")
    assert (["Phone", "Phone", "Name"], 1) == (found["headings"]["columns"], found["headings"]["guess"]["phone"])


def test_a_hidden_or_empty_sheet_is_not_read() -> None:
    sheets = '<sheet name="Old" sheetId="1" state="hidden" r:id="rId1"/><sheet name="People" sheetId="2" r:id="rId2"/>'
    parts = {"xl/worksheets/sheet2.xml": sheet(row(1, "Phone") + row(2, "<c t='e'><v>#N/A</v></c>", "Emma"))}
    assert [[{"error": "#N/A"}, "Emma"]] == first_rows(book(HEAD + GOOD, parts, sheets))


def test_rows_and_columns_keep_their_places() -> None:
    """A table that begins in the middle of the sheet."""
    made = openpyxl.Workbook()
    place = made.worksheets[0]
    place["B3"], place["C3"], place["B5"], place["C5"] = "Phone", "Name", "+16505550001", "Oliver"
    place["E4"].font = Font(bold=True)
    found = described(saved(made))
    assert (3, ["", "Phone", "Name"]) == (found["headings"]["row"], found["headings"]["columns"])
    assert [{"row": 5, "cells": [None, "+16505550001", "Oliver"]}] == found["headings"]["first"]


def test_a_reader_that_is_killed_from_outside_may_be_tried_again() -> None:
    """The system had no memory left, perhaps because of others."""
    with FileReader(3, [b"a,b"]) as reader:
        os.kill(reader.pid, SIGSTOP)
        os.kill(reader.pid, SIGKILL)
        with pytest.raises(ReaderKilled):
            list(reader.frames())


def test_content_that_is_not_wanted_any_more_is_closed() -> None:
    """It comes from a transaction, which must not stay open."""
    closed = []

    def content() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(1_000_000)
        finally:
            closed.append(True)

    chunks = content()  # held on to, as its reader's caller does
    with FileReader(0, chunks) as reader, pytest.raises(RefusedFile):
        list(reader.frames())
    assert [True] == closed
