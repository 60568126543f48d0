"""Rows of a text file whose cells are separated by commas, semicolons, tabs or bars (CSV)."""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator
from io import BytesIO, StringIO, TextIOWrapper

from domain.campaigns.files.cells import CellError, FileCell
from domain.campaigns.files.refusals import MAX_FILE_COLUMNS, RefusedFile
from infra.sheets.rows import FileRow

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_BYTES = 256 * 1024
_SAMPLE_ROWS = 50
_LONGEST_CELL = 131_072
"""In characters. A longer one begins with a quote that is never closed: the rest of the file would be one cell."""
_SEP = re.compile(r"sep=(.)\r?\n?", re.I)
"""A first line that tells spreadsheet programs the delimiter, and that they do not show."""
_FORMULA_TEXT = re.compile(r'="([^"]*)"')
"""How programs keep zeros before a number: a formula whose value is a text."""
_ERRORS = frozenset(
    (
        *("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"),
        *("#N/D", "#RIF!", "#VALORE!", "#NOME?", "#NULLO!"),
    )
)
"""Errors as spreadsheet programs write them in English and Italian."""


def delimited_rows(content: bytes) -> Iterator[FileRow]:
    """Yields the rows of a text file. Raises RefusedFile."""
    if not content.strip():
        raise RefusedFile("empty")
    encoding = _encoding(content)
    sample = content[:_SAMPLE_BYTES].decode(encoding, "replace")
    named = _SEP.match(sample)
    delimiter = named[1] if named else _delimiter(sample, is_whole=len(content) <= _SAMPLE_BYTES)
    csv.field_size_limit(_LONGEST_CELL)
    with TextIOWrapper(BytesIO(content), encoding, "replace", newline="") as text:
        if named:
            text.readline()
        reader = csv.reader(text, delimiter=delimiter)
        try:
            for number, cells in enumerate(reader, 1):
                if len(cells) > MAX_FILE_COLUMNS:
                    raise RefusedFile("too_many_columns", str(len(cells)))
                row: list[FileCell] = cells  # type: ignore[assignment]  # a list of some of them
                if any(cell.startswith(("#", "=")) for cell in cells):
                    row = [_cell(cell) for cell in cells]
                yield FileRow(number, row)
        except csv.Error:
            raise RefusedFile("damaged", f"line {reader.line_num}") from None


def _encoding(content: bytes) -> str:
    """Returns the encoding of a text: by its byte order mark, else UTF-8, else that of Windows in the west."""
    if content.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = content[:_SAMPLE_BYTES]
    if b"\x00" in sample:
        # text in UTF-16 without a mark has a zero in every other byte
        for encoding, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[0::2])):
            if zeros.count(0) > len(zeros) // 2:
                return encoding
        raise RefusedFile("unknown_kind", "binary")
    try:
        content.decode()
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _delimiter(sample: str, *, is_whole: bool) -> str:
    """Returns the character that divides most rows into the same number of cells, at least two."""

    def rank(delimiter: str) -> tuple[float, int]:
        widths = _widths(sample, delimiter, is_whole=is_whole)
        common = Counter(width for width in widths if width > 1).most_common(1)
        if not common:
            return 0.0, 0
        width, rows = common[0]
        return rows / len(widths), width

    return max(_DELIMITERS, key=rank)


def _widths(sample: str, delimiter: str, *, is_whole: bool) -> list[int]:
    widths: list[int] = []
    try:
        for cells in csv.reader(StringIO(sample, newline=""), delimiter=delimiter):
            if cells:
                widths.append(len(cells))
            if len(widths) >= _SAMPLE_ROWS:
                return widths
    except csv.Error:
        return []
    return widths if is_whole else widths[:-1]  # the last row is cut off


def _cell(text: str) -> FileCell:
    if text in _ERRORS:
        return CellError(text)
    formula = _FORMULA_TEXT.fullmatch(text)
    return formula[1] if formula else text
