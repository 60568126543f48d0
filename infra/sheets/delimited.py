"""Rows of a text file whose cells are separated by commas, semicolons, tabs or bars (CSV)."""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from io import BytesIO, StringIO, TextIOWrapper
from itertools import chain

from domain.campaigns.files.cells import CellError, FileCell
from domain.campaigns.files.refusals import MAX_FILE_COLUMNS, RefusedFile
from infra.sheets.rows import FileRow

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_BYTES = 256 * 1024
_SAMPLE_ROWS = 50
_ZEROS, _FEW_ZEROS = 0.02, 4
"""More zeros than that among its bytes no text in UTF-8 has, and less has none in UTF-16."""
_CONTROLS = bytes({*range(32)} - {*b"\t\n\v\f\r"})
"""So few of them, too, has any text."""
_LONGEST_CELL = 131_072
"""In characters. A longer one begins with a quote that is never closed: the rest of the file would be one cell."""
_SEP = re.compile(r"sep=([^\r\n\"])[\r\n]", re.I)
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
_END = "end\n"
"""A row after the last one, which shows that no quote is open any more."""
_MIXED = "campaign_file"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _windows(error: UnicodeError) -> tuple[str, int]:
    """Reads bytes that are no UTF-8 as Windows in the west writes them: in a file of several programs some rows are in
    one encoding and some in the other."""
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(_MIXED, _windows)


def delimited_rows(content: bytes) -> Iterator[FileRow]:
    """Yields the rows of a text file. Raises RefusedFile."""
    if not content.strip():
        raise RefusedFile("empty")
    encoding, errors = _encoding(content)
    sample = content[:_SAMPLE_BYTES].decode(encoding, errors).removeprefix("\ufeff")
    named = _SEP.match(sample)
    delimiter = named[1] if named else _delimiter(sample, is_whole=len(content) <= _SAMPLE_BYTES)
    csv.field_size_limit(_LONGEST_CELL)
    with TextIOWrapper(BytesIO(content), encoding, errors, newline="") as text:
        if text.read(1) != "\ufeff":
            text.seek(0)
        if named:
            text.readline()
        lines: list[str] = []  # of the row that is read
        skips = delimiter != " "  # what programs write behind a comma, before a quote
        reader = csv.reader(_noted(text, lines), delimiter=delimiter, skipinitialspace=skips)
        read = 2 if named else 1
        try:
            for number, cells in enumerate(reader, 1):
                if lines[-1] is _END:
                    if len(lines) > 1:  # the last row ate it: its quote is still open
                        raise RefusedFile("open_quote", f"line {read}")
                    return
                if len(lines) > 1:
                    _check_quotes(lines, delimiter, read, skips=skips)
                read += len(lines)
                lines.clear()
                if len(cells) > MAX_FILE_COLUMNS:
                    raise RefusedFile("too_many_columns", str(len(cells)))
                row: list[FileCell] = cells  # type: ignore[assignment]  # a list of some of them
                if any(cell.startswith(("#", "=")) for cell in cells):
                    row = [_cell(cell) for cell in cells]
                yield FileRow(number, row)
        except csv.Error:
            raise RefusedFile("open_quote", f"line {read}") from None


def _noted(text: Iterable[str], lines: list[str]) -> Iterator[str]:
    for line in chain(text, (_END,)):
        lines.append(line)
        yield line


def _check_quotes(lines: list[str], delimiter: str, first: int, *, skips: bool) -> None:
    """Raises RefusedFile if a row of several lines has more after a quote that ends a cell: then a quote before was
    never closed, and the next one, of another row, ended it."""
    try:
        list(csv.reader(lines, delimiter=delimiter, skipinitialspace=skips, strict=True))
    except csv.Error:
        raise RefusedFile("open_quote", f"line {first}") from None


def _encoding(content: bytes) -> tuple[str, str]:
    """Returns the encoding of a text and what is done with bytes that do not fit it: by its byte order mark, else
    UTF-8, with bytes of Windows in the west among it."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding, "replace" if encoding != "utf-8" else _MIXED
    sample = content[:_SAMPLE_BYTES]
    # of text in UTF-16 without a mark, whatever its script, delimiters and digits have a zero in every other byte
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    few = _FEW_ZEROS + len(sample) * _ZEROS
    for encoding, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros > few and others <= zeros * _ZEROS:
            return encoding, "replace"
    if len(sample) - len(sample.translate(None, _CONTROLS)) > few:
        raise RefusedFile("unknown_kind", "binary")
    return "utf-8", _MIXED  # a few zeros belong to no text, and are left out later


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
        for cells in csv.reader(StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=True):
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
