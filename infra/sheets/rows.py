"""Rows of a file with recipients, of whatever kind it is."""

from collections.abc import Iterator
from typing import NamedTuple

from domain.campaigns.files.cells import FileCell, is_empty_row
from domain.campaigns.files.refusals import MAX_FILE_ROWS, RefusedFile

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_OTHERS = {
    b"%PDF": "pdf",
    b"\x89PNG": "png",
    b"\xff\xd8\xff": "jpeg",
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "rar",
    b"{\\rtf": "rtf",
    b"SQLite format 3": "sqlite",
}
_TAGS = {b"<!doctype html": "html", b"<html": "html", b"<table": "html", b"<?xml": "xml"}


class FileRow(NamedTuple):
    """A row of a file. `number`: as a spreadsheet program numbers it."""

    number: int
    cells: list[FileCell]


def file_rows(content: bytes) -> Iterator[FileRow]:
    """Yields the rows of a file that are not empty. What it is, its content says, not its name. Raises RefusedFile."""
    for row in _rows(content):
        if is_empty_row(row.cells):
            continue
        if row.number > MAX_FILE_ROWS:
            raise RefusedFile("too_many_rows", str(row.number))
        yield row


def is_workbook(content: bytes) -> bool:
    """Returns whether a file is no text but a workbook, whose cells cannot be shifted by one delimiter too many."""
    return content.startswith(_ZIP)


def _rows(content: bytes) -> Iterator[FileRow]:
    if is_workbook(content):
        from infra.sheets.xlsx import xlsx_rows

        return xlsx_rows(content)
    if content.startswith(_OLE):
        raise RefusedFile("encrypted" if _ENCRYPTED in content else "old_excel")
    start = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, kind in _OTHERS.items():
        if start.startswith(magic):
            raise RefusedFile("unknown_kind", kind)
    for tag, kind in _TAGS.items():
        if start.lower().startswith(tag):
            raise RefusedFile("unknown_kind", kind)
    from infra.sheets.delimited import delimited_rows

    return delimited_rows(content)
