"""Rows of an XLSX file, by calamine. What it does not tell is read from the parts of the file before: whether they are
as large as they say, and which cells have an error or a formula that was never computed, which calamine reads as
empty."""

import re
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import chain, islice
from posixpath import join, normpath
from xml.etree import ElementTree
from xml.sax.saxutils import unescape
from zipfile import BadZipFile, ZipFile, ZipInfo

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, SheetVisibleEnum

from domain.campaigns.files.cells import CellError, FileCell, is_empty_row
from domain.campaigns.files.columns import heading_row
from domain.campaigns.files.refusals import MAX_FILE_COLUMNS, RefusedFile
from infra.sheets.rows import FileRow

MAX_UNPACKED = 1024 * 1024 * 1024
"""Bytes of all parts. A million rows of six cells have 0.4 GiB."""
_MAX_PARTS = 10_000
_MAX_INDEX_BYTES = 4 * 1024 * 1024
"""Of the parts that say where the sheets are."""
_READ_BYTES = 1024 * 1024
_TAIL_BYTES = 4096
"""A cell with an error is not longer than that, unless its formula is."""

_ERROR = re.compile(
    rb'<(?:\w+:)?c\b([^>]*\bt=["\']e["\'][^>]*)(?<!/)>(?:(?!</(?:\w+:)?c>).)*?<(?:\w+:)?v>([^<]{1,20})<', re.S
)
_FORMULA = re.compile(
    rb"<(?:\w+:)?c\b([^>]*)(?<!/)>\s*<(?:\w+:)?f\b[^>]*?(?:/>|>([^<]{0,200})[^<]*</(?:\w+:)?f>)"
    rb"\s*(?:<(?:\w+:)?v\s*(?:/>|>\s*</(?:\w+:)?v>)\s*)?</(?:\w+:)?c>"
)
"""A cell whose formula was never computed: it has no value, as programs write it that are no spreadsheet programs."""
_IS_TEXT = re.compile(rb"\bt=[\"']str[\"']")
"""A formula whose value is a text, perhaps an empty one."""
_PLACE = re.compile(rb'\br=["\']([A-Z]{1,3})([0-9]{1,7})["\']')
_WORKBOOK, _RELATIONSHIPS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_RELATION_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_RELATION_ID = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"


def xlsx_rows(content: bytes) -> Iterator[FileRow]:
    """Yields the rows of the first sheet that is shown and has more than a title or headings; if none has, of the first
    one that has these. Raises RefusedFile."""
    errors_of = _Errors(content)
    try:
        with CalamineWorkbook.from_filelike(BytesIO(content)) as book:
            shown = [each.name for each in book.sheets_metadata if each.visible == SheetVisibleEnum.Visible]
            alone: list[FileRow] = []
            for name in shown:
                sheet = book.get_sheet_by_name(name)
                if sheet.end is None:
                    continue
                rows = (row for row in _rows(sheet, errors_of.sheet(name)) if not is_empty_row(row.cells))
                first = list(islice(rows, 2))
                if len(first) == 2 or (first and heading_row([first[0].cells]) is None):
                    yield from chain(first, rows)
                    return
                alone = alone or first
            if alone:
                yield from alone
                return
    except PasswordError:
        raise RefusedFile("encrypted") from None
    except CalamineError as error:
        raise RefusedFile("damaged", type(error).__name__) from None
    raise RefusedFile("empty")


def _rows(sheet: CalamineSheet, errors: dict[int, dict[int, str]]) -> Iterator[FileRow]:
    last = sheet.end
    assert last is not None
    if (columns := last[1] + 1) > MAX_FILE_COLUMNS:
        raise RefusedFile("too_many_columns", str(columns))
    start = sheet.start
    # the first rows come also if they are empty, the first columns do not
    before: list[FileCell] = [""] * (start[1] if start is not None else 0)
    for number, cells in enumerate(sheet.iter_rows(), 1):
        row: list[FileCell] = [*before, *cells] if before else cells  # type: ignore[assignment]  # a list of some of them
        if found := errors.get(number):
            row += [""] * (max(found) + 1 - len(row))
            for column, text in found.items():
                row[column] = CellError(text)
        yield FileRow(number, row)


def _cells_without_value(text: bytes) -> Iterator[tuple[re.Match[bytes], bytes]]:
    """Yields place and content of cells with an error, and of those with a formula that was never computed."""
    if b't="e"' in text or b"t='e'" in text:
        for cell in _ERROR.finditer(text):
            if place := _PLACE.search(cell[1]):
                yield place, cell[2]
    if b"</f>" in text or b":f>" in text or b"<f " in text:
        for cell in _FORMULA.finditer(text):
            if not _IS_TEXT.search(cell[1]) and (place := _PLACE.search(cell[1])):
                yield place, b"=" + (cell[2] or b"")


class _Errors:
    """The cells with errors or without a value, from the parts of a file whose sizes were checked."""

    def __init__(self, content: bytes) -> None:
        try:
            self._archive = ZipFile(BytesIO(content))
            parts = self._archive.infolist()
        except (BadZipFile, ValueError, OverflowError, NotImplementedError, RecursionError):
            raise RefusedFile("damaged", "zip") from None
        if len(parts) > _MAX_PARTS:
            raise RefusedFile("damaged", f"{len(parts)} parts")
        if any(part.flag_bits & 0x1 for part in parts):
            raise RefusedFile("encrypted")
        if (size := sum(part.file_size for part in parts)) > MAX_UNPACKED:
            raise RefusedFile("unpacks_too_large", str(size))
        self._parts = {part.filename.lower(): part for part in parts}
        if _WORKBOOK not in self._parts:
            raise RefusedFile("unknown_kind", _kind(set(self._parts)))

    def sheet(self, name: str) -> dict[int, dict[int, str]]:
        """Returns row, from 1 -> column, from 0 -> error, of the sheet with this name."""
        part = self._part_of(name)
        found: dict[int, dict[int, str]] = {}
        if part is None:
            return found
        try:
            tail = b""
            with self._archive.open(part) as opened:
                while chunk := opened.read(_READ_BYTES):
                    text = tail + chunk
                    tail = text[-_TAIL_BYTES:]
                    for place, value in _cells_without_value(text):
                        if (column := _column(place[1])) < MAX_FILE_COLUMNS:
                            found.setdefault(int(place[2]), {})[column] = _text(value)
        except (BadZipFile, zlib.error, EOFError, NotImplementedError, OSError):
            raise RefusedFile("damaged", "zip") from None
        return found

    def _part_of(self, name: str) -> ZipInfo | None:
        targets = {
            each.get("Id"): each.get("Target", "")
            for each in self._index(_RELATIONSHIPS).iter()
            if each.tag.endswith("}Relationship")
        }
        for each in self._index(_WORKBOOK).iter():
            if each.tag.endswith("}sheet") and each.get("name") == name:
                target = targets.get(each.get(_RELATION_ID) or each.get(_STRICT_RELATION_ID)) or ""
                path = target.lstrip("/") if target.startswith("/") else normpath(join("xl", target))
                return self._parts.get(path.lower())
        return None

    def _index(self, name: str) -> ElementTree.Element:
        part = self._parts.get(name)
        if part is None:
            raise RefusedFile("damaged", name)
        if part.file_size > _MAX_INDEX_BYTES:
            raise RefusedFile("damaged", f"{name}: {part.file_size}")
        try:
            with self._archive.open(part) as opened:
                text = opened.read(_MAX_INDEX_BYTES)
            if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
                raise RefusedFile("damaged", name)
            return ElementTree.fromstring(text)  # noqa: S314 - it has no entities
        except (ElementTree.ParseError, BadZipFile, zlib.error, EOFError, NotImplementedError, OSError):
            raise RefusedFile("damaged", name) from None


def _text(value: bytes) -> str:
    return unescape(value.decode("utf-8", "replace")).replace("\x00", "")


def _kind(parts: set[str]) -> str:
    if "xl/workbook.bin" in parts:
        return "xlsb"
    if "content.xml" in parts:
        return "ods"
    return "docx" if "word/document.xml" in parts else "zip"


def _column(letters: bytes) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + letter - ord("A") + 1
    return column - 1
