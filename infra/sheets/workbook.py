"""Workbooks (XLSX), written in constant memory while their rows are read. Every text is a string in it, so nothing is
computed.

A library would write the sheet to a temporary file first, and where that is in memory (`docker-compose.yml`) a long
list would fill it. The parts and their order are those of ECMA-376.
"""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

from domain.times import rfc3339

Cell = str | int | float | datetime | timedelta | None
"""`datetime`: without a time zone, as it is shown; None: an empty cell."""

_ROWS_AT_ONCE, _PART_BYTES = 100, 64 * 1024
_LONGEST_NAME, _LONGEST_TEXT, _LONGEST_HEAD = 31, 32_767, 250
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_DAY_0, _DAY = datetime(1899, 12, 30), timedelta(days=1)  # noqa: DTZ001 - the day from which workbooks count
_QUOTE = {'"': "&quot;"}
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL = re.compile("[\x00-\x1f\ud800-\udfff\ufffe\uffff&<>_]")
"""What `_text` changes: most texts have nothing of it."""
_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
"""`_x0041_` would be shown as `A`."""
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\']")

_CONTENT_TYPES = (
    f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    + "".join(
        f'<Override PartName="/{part}" ContentType="application/vnd.openxmlformats-{kind}+xml"/>'
        for part, kind in (
            ("xl/workbook.xml", "officedocument.spreadsheetml.sheet.main"),
            ("xl/worksheets/sheet1.xml", "officedocument.spreadsheetml.worksheet"),
            ("xl/styles.xml", "officedocument.spreadsheetml.styles"),
            ("docProps/core.xml", "package.core-properties"),
        )
    )
    + "</Types>"
)
_RELATIONSHIPS = f"{_OFFICE}/relationships"
_OF_PACKAGE, _OF_BOOK = (
    f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
    + "".join(f'<Relationship Id="rId{n}" Type="{kind}" Target="{to}"/>' for n, (kind, to) in enumerate(targets, 1))
    + "</Relationships>"
    for targets in (
        (
            (f"{_RELATIONSHIPS}/officeDocument", "xl/workbook.xml"),
            (f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
        ),
        ((f"{_RELATIONSHIPS}/worksheet", "worksheets/sheet1.xml"), (f"{_RELATIONSHIPS}/styles", "styles.xml")),
    )
)
_STYLES = (
    f'{_HEAD}<styleSheet xmlns="{_MAIN}"><numFmts count="2">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/><numFmt numFmtId="165" formatCode="[h]:mm"/>'
    '</numFmts><fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="5"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
_BOLD, _TIME, _DURATION, _TEXT = 1, 2, 3, 4
"""Indexes of the cell formats of `_STYLES`."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a sheet shows besides its rows. `title`: a property of the file, and the head of each printed page;
    `columns`: titles and widths in characters; `made_at`: aware; `is_text`: all cells are formatted as texts, also
    those that people fill in, so that a phone stays a phone."""

    name: str
    title: str
    made_at: datetime
    columns: Sequence[tuple[str, int]]
    is_text: bool = False


def workbook(sheet: Sheet, rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """The parts of a file with one sheet: a header row that stays in place and can filter, then the rows."""
    file = _Parts()
    name = _sheet_name(sheet.name)
    text_style = _TEXT if sheet.is_text else 0
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _CONTENT_TYPES)
        archive.writestr("_rels/.rels", _OF_PACKAGE)
        archive.writestr("xl/_rels/workbook.xml.rels", _OF_BOOK)
        archive.writestr("xl/styles.xml", _STYLES)
        archive.writestr("docProps/core.xml", _properties(sheet))
        count = 1
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part:
            lines = [_start(sheet)]
            for row in rows:
                count += 1
                lines.append(_row(count, row, text_style))
                if len(lines) >= _ROWS_AT_ONCE:
                    part.write("".join(lines).encode())
                    lines.clear()
                    yield from file.taken()
            part.write("".join([*lines, _end(sheet, count)]).encode())
        archive.writestr("xl/workbook.xml", _book(name, len(sheet.columns), count))
    yield from file.taken(everything=True)


class _Parts(io.RawIOBase):
    """A file that is only written, from its beginning to its end."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]  # zipfile writes nothing but bytes
        self._written += content
        return len(content)

    def tell(self) -> int:
        raise OSError("not a file that can be sought in")  # zipfile then counts on its own

    def taken(self, *, everything: bool = False) -> Iterator[bytes]:
        """What was written since, as soon as it is a part."""
        if self._written and (everything or len(self._written) >= _PART_BYTES):
            part = bytes(self._written)
            self._written.clear()
            yield part


def _sheet_name(text: str) -> str:
    """The text as Excel takes it for the name of a sheet: neither blank nor the one that it keeps for itself."""
    name = _cut(_NOT_IN_NAMES.sub(" ", _NOT_XML.sub(" ", text)), _LONGEST_NAME).strip() or "–"
    return f"{name}_" if name.casefold() == "history" else name


def _book(name: str, columns: int, rows: int) -> str:
    sheet = escape(f"'{name}'")
    filtered = f"{sheet}!$A$1:${_letters(columns - 1)}${rows}"
    return (
        f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONSHIPS}"><sheets>'
        f'<sheet name="{escape(name, _QUOTE)}" sheetId="1" r:id="rId1"/></sheets><definedNames>'
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="0" hidden="1">{filtered}</definedName>'
        f'<definedName name="_xlnm.Print_Titles" localSheetId="0">{sheet}!$1:$1</definedName>'
        "</definedNames></workbook>"
    )


def _properties(sheet: Sheet) -> str:
    made_at = rfc3339(sheet.made_at.replace(microsecond=0))
    return (
        f'{_HEAD}<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<dc:title>{_text(sheet.title)}</dc:title>"
        f'<dcterms:created xsi:type="dcterms:W3CDTF">{made_at}</dcterms:created></cp:coreProperties>'
    )


def _start(sheet: Sheet) -> str:
    style = f' style="{_TEXT}"' if sheet.is_text else ""
    widths = "".join(
        f'<col min="{n}" max="{n}" width="{width}" customWidth="1"{style}/>'
        for n, (_, width) in enumerate(sheet.columns, 1)
    )
    titles = "".join(_string(f"{_letters(n)}1", title, _BOLD) for n, (title, _) in enumerate(sheet.columns))
    return (
        f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr><sheetViews>'
        '<sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        '<selection pane="bottomLeft" activeCell="A2" sqref="A2"/></sheetView></sheetViews>'
        f'<sheetFormatPr defaultRowHeight="15"/><cols>{widths}</cols><sheetData><row r="1">{titles}</row>'
    )


def _end(sheet: Sheet, rows: int) -> str:
    head = _text(_page_head(sheet.title))
    return (
        f'</sheetData><autoFilter ref="A1:{_letters(len(sheet.columns) - 1)}{rows}"/>'
        '<pageMargins left="0.4" right="0.4" top="0.8" bottom="0.6" header="0.3" footer="0.3"/>'
        '<pageSetup paperSize="9" orientation="landscape" fitToHeight="0"/>'
        f"<headerFooter><oddHeader>&amp;L{head}</oddHeader><oddFooter>&amp;R&amp;P / &amp;N</oddFooter></headerFooter>"
        "</worksheet>"
    )


def _page_head(title: str) -> str:
    """The head of a printed page, in which && is an ampersand, as long as Excel takes it."""
    head = _cut(title.replace("&", "&&"), _LONGEST_HEAD)
    is_halved = (len(head) - len(head.rstrip("&"))) % 2
    return head[:-1] if is_halved else head


def _row(number: int, cells: Sequence[Cell], text_style: int) -> str:
    written = []
    for column, cell in enumerate(cells):
        place = f"{_letters(column)}{number}"
        if isinstance(cell, str):
            if cell:
                written.append(_string(place, cell, text_style))
        elif isinstance(cell, datetime):
            written.append(f'<c r="{place}" s="{_TIME}"><v>{(cell - _DAY_0) / _DAY!r}</v></c>')
        elif isinstance(cell, timedelta):
            written.append(f'<c r="{place}" s="{_DURATION}"><v>{cell / _DAY!r}</v></c>')
        elif cell is not None:
            written.append(f'<c r="{place}"><v>{cell}</v></c>')
    return f'<row r="{number}">{"".join(written)}</row>'


def _string(place: str, text: str, style: int = 0) -> str:
    return f'<c r="{place}" t="inlineStr" s="{style}"><is><t xml:space="preserve">{_text(text)}</t></is></c>'


def _text(text: str) -> str:
    """Replaces characters that XML cannot hold, and cuts the text to the length of an Excel cell, which counts UTF-16
    units."""
    if not _SPECIAL.search(text) and len(text) <= _LONGEST_TEXT // 2:
        return text
    if len(text) > _LONGEST_TEXT // 2:
        text = _cut(text, _LONGEST_TEXT)
    text = _NOT_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    return escape(_ESCAPED.sub("_x005F_", text))


def _cut(text: str, most: int) -> str:
    """The text, with at most so many UTF-16 units."""
    return text.encode("utf-16-le", "replace")[: 2 * most].decode("utf-16-le", "ignore")


@cache
def _letters(column: int) -> str:
    """The name of a column, counted from 0: A, B, ... Z, AA, ..."""
    rest, letter = divmod(column, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("A") + letter)
