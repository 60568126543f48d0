"""The list as a spreadsheet file. Customers' texts are text in it, never formulas."""

import csv as table
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from babel.numbers import get_decimal_symbol
from xlsxwriter import Workbook

from console import phrases
from console.request import translated, words
from console.table.rows import RowView
from domain.contract.texts import gettext_noop
from domain.directory import Directory

MAX_ROWS = 50_000
"""The most rows of a file."""
TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}

_TITLES = (
    gettext_noop("Status"),
    gettext_noop("Customer"),
    gettext_noop("Phone"),
    gettext_noop("User id"),
    gettext_noop("Number"),
    gettext_noop("Last text"),
    gettext_noop("Last message at"),
    gettext_noop("Why"),
    gettext_noop("Window ends at"),
    gettext_noop("Conversation"),
)
_WIDTHS = (10, 24, 16, 24, 18, 60, 20, 22, 20, 38)
_CONTROL = ("\t", "\r", "\n")
_SEPARATORS = frozenset(",;\t\r\n")
_FORMULA = re.compile(r"(?:^|(?<![,;\"\s]))[,;\"\s]*(?=[=+\-@＝＋－＠])")
"""A run of separators and quotes before a character that starts a formula. Linear: no run is matched twice."""


def xlsx(lines: Iterable[RowView], directory: Directory) -> bytes:
    """A workbook with one sheet and a frozen header row. Every cell is a string, so nothing in it is computed."""
    written = io.BytesIO()
    with Workbook(written, {"in_memory": True, "constant_memory": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet()
        bold = book.add_format({"bold": True})
        sheet.freeze_panes(1, 0)
        for column, (title, width) in enumerate(zip(_TITLES, _WIDTHS, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, translated(title), bold)
        for row, cells in enumerate(_cells(lines, directory), 1):
            for column, cell in enumerate(cells):
                sheet.write_string(row, column, _without_control(cell))
    return written.getvalue()


def csv(lines: Iterable[RowView], directory: Directory) -> bytes:
    """UTF-8 with a byte order mark, as spreadsheet programs expect it. Cells are separated by semicolons in languages
    whose decimal separator is a comma. A cell that would be a formula starts with an apostrophe."""
    written = io.StringIO()
    delimiter = ";" if get_decimal_symbol(words().locale) == "," else ","
    writer = table.writer(written, lineterminator="\r\n", delimiter=delimiter)
    writer.writerow([translated(title) for title in _TITLES])
    writer.writerows([[_without_formula(cell) for cell in cells] for cells in _cells(lines, directory)])
    return written.getvalue().encode("utf-8-sig")


def _cells(lines: Iterable[RowView], directory: Directory) -> Iterator[Sequence[str]]:
    speech = words()
    for number, line in enumerate(lines):
        if number == MAX_ROWS:
            return
        of = line.of
        yield (
            translated(gettext_noop("Active")) if line.state == "active" else translated(gettext_noop("Closed")),
            of.customer_name or "",
            of.wa_id or "",
            of.user_id or "",
            directory.number(of.phone_number_id).name or of.phone_number_id,
            of.last_text or "",
            f"{speech.local(of.last_at):%Y-%m-%d %H:%M:%S}",
            phrases.reason_short(of.reason),
            f"{speech.local(of.window_ends_at):%Y-%m-%d %H:%M:%S}",
            line.id,
        )


def _without_formula(cell: str) -> str:
    """A spreadsheet program of another country may split a line at other separators, so text after any of them is
    treated as a cell of its own."""
    safe = _FORMULA.sub(lambda run: f"{run[0]}'" if run.start() == 0 or _SEPARATORS & set(run[0]) else run[0], cell)
    return f"'{safe}" if safe.startswith(_CONTROL) else safe


def _without_control(cell: str) -> str:
    """Replaces characters that XML cannot hold, and cuts the text to the length of an Excel cell."""
    fit = (char if char in "\t\n" or (char >= " " and char not in "\ufffe\uffff") else "\ufffd" for char in cell)
    return "".join(fit)[:32_767]
