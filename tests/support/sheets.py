"""Spreadsheet files as programs write them, and as an attacker would."""

import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import openpyxl
from pydantic_core import from_json, to_json

from domain.campaigns.files.refusals import RefusedFile
from infra.sheets.child import FileReader
from infra.sheets.program import MEMORY, serve

_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def book(rows: str, parts: Mapping[str, bytes | str] | None = None, sheets: str | None = None) -> bytes:
    """Returns an XLSX file whose sheet has these rows, in its own XML. `parts`: further parts, or others in the place
    of ours; `sheets`: those of the workbook."""
    sheets = sheets or '<sheet name="People" sheetId="1" r:id="rId1"/>'
    written: dict[str, bytes | str] = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="rId1" Type="{_OFFICE}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" '
        f'Type="{_OFFICE}/worksheet" Target="worksheets/sheet2.xml"/><Relationship Id="rId3" '
        f'Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": sheet(rows),
        **(parts or {}),
    }
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, content in written.items():
            archive.writestr(name, content)
    return file.getvalue()


def sheet(rows: str) -> str:
    """Returns a sheet with these rows, in its own XML."""
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def row(number: int, *cells: str) -> str:
    """Returns a row of cells, each a text, or XML that begins with `<c`."""
    written = "".join(
        cell.replace("<c", f'<c r="{chr(65 + at)}{number}"', 1)
        if cell.startswith("<c")
        else f'<c r="{chr(65 + at)}{number}" t="inlineStr"><is><t>{cell}</t></is></c>'
        for at, cell in enumerate(cells)
        if cell
    )
    return f'<row r="{number}">{written}</row>'


def workbook_of(*rows: Sequence[str | float | date | None]) -> openpyxl.Workbook:
    """Returns a workbook with these rows."""
    made = openpyxl.Workbook()
    for cells in rows:
        made.worksheets[0].append(tuple(cells))
    return made


def saved(made: openpyxl.Workbook) -> bytes:
    """Returns the file of a workbook."""
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def described(content: bytes) -> dict[str, Any]:
    """Returns what the program reads in a file; it runs in this process. Raises RefusedFile."""
    request, out = to_json({"size": len(content)}) + b"\n", io.BytesIO()
    serve(io.BytesIO(request + content), out)
    head: dict[str, Any] = from_json(out.getvalue())
    if "refused" in head:
        raise RefusedFile(head["refused"], head["detail"])
    return head


def described_apart(content: bytes, memory: int = MEMORY) -> dict[str, Any]:
    """Returns what the program reads in a file, in a process of its own with so many bytes of memory. Raises
    RefusedFile, ReaderKilled."""
    with FileReader(len(content), [content], memory=memory) as reader:
        (frame,) = reader.frames()
    return dict(frame.head)


def first_rows(content: bytes) -> list[list[Any]]:
    """Returns the first rows below the headings."""
    return [each["cells"] for each in described(content)["headings"]["first"]]
