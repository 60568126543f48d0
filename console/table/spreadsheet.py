"""The list as a spreadsheet file, made while its rows are read. Customers' texts are text in it, never formulas."""

import csv as table
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import NamedTuple

from babel.numbers import get_decimal_symbol

from console import phrases
from console.request import translated, words
from domain.contract.row import Row
from domain.contract.texts import gettext_noop
from domain.conversations.reasons import Reason
from domain.directory import Directory
from infra.postgres.lists.unmanaged import ListedConversation
from infra.sheets.workbook import Cell, Sheet, workbook

MAX_ROWS = 1_000_000
"""The most rows of a file; a sheet has room for 1,048,576."""
TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "zip": "application/zip",
}
_ROWS_AT_ONCE = 200

_RUN = (
    ',;"\\s\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164'
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Separators, quotes, spaces, and characters that are not seen: programs skip them before a formula."""
_STARTS = "=+\\-@＝﹦⁼₌＋﹢⁺₊－﹣⁻₋−＠﹫"
"""Characters that start a formula, in any of their forms."""
_FORMULA = re.compile(f"(?:^|(?<![{_RUN}]))[{_RUN}]*(?=[{_STARTS}])")
"""Such a run before a character that starts a formula. Linear: no run is matched twice."""
_MAY_BE_FORMULA = re.compile(f"(?=[{_STARTS}])(?<![^{_RUN}])")
"""Finds a formula in a fifth of the time: most texts have none."""
_SEPARATORS = frozenset(",;\t\r\n")
_CONTROL = ("\t", "\r", "\n")


class _Column(NamedTuple):
    """A column. `is_time`: its title names the time zone, and a column with the UTC offset of each time follows at the
    end: twice in the hour in which summer time ends, the time alone does not tell which."""

    title: str
    width: int
    cell: Callable[["_Line"], Cell]
    is_time: bool = False


class _NothingKept(NamedTuple):
    """What is kept about a row that no list has read."""

    tags: tuple[str, ...] = ()
    note_texts: str = ""


class _Texts(NamedTuple):
    """The texts that many rows share, in the language of the page."""

    active: str
    closed: str
    reasons: dict[Reason | None, tuple[str, str]]


class _Line(NamedTuple):
    """A row and what its texts depend on."""

    row: Row
    directory: Directory
    now: datetime
    is_active: bool
    texts: _Texts


def _texts() -> _Texts:
    return _Texts(
        translated(gettext_noop("Active")),
        translated(gettext_noop("Closed")),
        {each: (phrases.reason_short(each), phrases.reason_sentence(each)) for each in (None, *Reason)},
    )


def _dismissed(line: _Line) -> str | None:
    dismissed = line.row.dismissed
    return phrases.dismissed_now(line.directory, dismissed) if dismissed is not None else None


def _kept(row: Row) -> ListedConversation | _NothingKept:
    return row if isinstance(row, ListedConversation) else _NothingKept()


def _owner(line: _Line) -> str | None:
    owner = line.row.owner
    return phrases.owner_now(line.directory, owner) if owner else None


_COLUMNS = (
    _Column(gettext_noop("Status"), 10, lambda line: line.texts.active if line.is_active else line.texts.closed),
    _Column(gettext_noop("Customer"), 24, lambda line: line.row.customer_name),
    _Column(gettext_noop("Phone"), 16, lambda line: line.row.wa_id),
    _Column(gettext_noop("User id"), 24, lambda line: line.row.user_id),
    _Column(
        gettext_noop("Number"),
        18,
        lambda line: line.directory.number(line.row.phone_number_id).name or line.row.phone_number_id,
    ),
    _Column(gettext_noop("Last text"), 60, lambda line: line.row.last_text),
    _Column(gettext_noop("Last message at"), 30, lambda line: line.row.last_at, is_time=True),
    _Column(gettext_noop("Why"), 22, lambda line: line.texts.reasons[line.row.reason][0]),
    _Column(gettext_noop("Window ends at"), 30, lambda line: line.row.window_ends_at, is_time=True),
    _Column(gettext_noop("Conversation"), 38, lambda line: str(line.row.id)),
    _Column(gettext_noop("Why, in words"), 50, lambda line: line.texts.reasons[line.row.reason][1]),
    _Column(gettext_noop("Owner"), 24, _owner),
    _Column(gettext_noop("First message at"), 30, lambda line: line.row.opened_at, is_time=True),
    _Column(gettext_noop("Closed at"), 30, lambda line: line.row.closed_at, is_time=True),
    _Column(
        gettext_noop("Time left (h:mm)"),
        16,
        lambda line: line.row.window_ends_at - line.now if line.is_active else None,
    ),
    _Column(gettext_noop("Entries"), 10, lambda line: line.row.entries),
    _Column(gettext_noop("Number id"), 20, lambda line: line.row.phone_number_id),
    _Column(gettext_noop("Group"), 24, lambda line: line.row.group_id),
    _Column(gettext_noop("Last text by"), 24, lambda line: line.row.last_speaker),
    _Column(gettext_noop("Dismissed"), 24, _dismissed),
    _Column(
        gettext_noop("Dismissed at"), 30, lambda line: line.row.dismissed and line.row.dismissed.ref.at, is_time=True
    ),
    _Column(gettext_noop("Tags"), 24, lambda line: ", ".join(_kept(line.row).tags) or None),
    _Column(gettext_noop("Notes"), 60, lambda line: _kept(line.row).note_texts or None),
    _Column(gettext_noop("Note of the dismissal"), 40, lambda line: line.row.dismissed and line.row.dismissed.note),
)
"""Further columns are added at the end: programs read the first ones by their place."""


def spreadsheet(
    kind: str, title: str, rows: Iterable[Row], directory: Directory, note: Callable[[], str | None]
) -> Iterator[bytes]:
    """The parts of a file of a kind of `TYPES`, in the language and time zone of the page. `title`: what is in it;
    `note`: returns a text for a last line, or None, after the rows were read."""
    if kind == "csv":
        return csv_file(_titles(), _cells(rows, directory, note))
    columns = [(name, column.width) for name, column in zip(_titles(), _COLUMNS, strict=False)]
    columns += [(name, 16) for name in _titles()[len(_COLUMNS) :]]
    sheet = Sheet(translated(gettext_noop("Unmanaged conversations")), title, words().now, columns)
    return workbook(sheet, _cells(rows, directory, note))


def csv_file(titles: Sequence[str], lines: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """The parts of a file in CSV: UTF-8 with a byte order mark, as spreadsheet programs expect it. Cells are separated
    by semicolons in languages whose decimal separator is a comma. A cell that would be a formula starts with an
    apostrophe."""
    written = io.StringIO()
    delimiter = ";" if get_decimal_symbol(words().locale) == "," else ","
    writer = table.writer(written, lineterminator="\r\n", delimiter=delimiter)
    written.write("\ufeff")
    writer.writerow(titles)
    for number, cells in enumerate(lines, 1):
        writer.writerow([_plain(cell) for cell in cells])
        if number % _ROWS_AT_ONCE == 0:
            yield written.getvalue().encode()
            written.seek(0)
            written.truncate()
    yield written.getvalue().encode()


def _titles() -> list[str]:
    zone = words().zone.key
    titles = [f"{translated(each.title)} ({zone})" if each.is_time else translated(each.title) for each in _COLUMNS]
    offsets = [f"{translated(each.title)}: {translated('UTC offset')}" for each in _COLUMNS if each.is_time]
    return titles + offsets


def _cells(rows: Iterable[Row], directory: Directory, note: Callable[[], str | None]) -> Iterator[Sequence[Cell]]:
    now, zone, texts = words().now, words().zone, _texts()
    for row in rows:
        line = _Line(row, directory, now, row.status == "active" and row.window_ends_at > now, texts)
        cells: list[Cell] = []
        offsets: list[Cell] = []
        for column in _COLUMNS:
            cell = column.cell(line)
            if column.is_time:
                local = cell.astimezone(zone) if isinstance(cell, datetime) else None
                cells.append(local and local.replace(tzinfo=None, microsecond=0))
                offsets.append(local and _offset(local.utcoffset()))
            else:
                cells.append(cell)
        yield cells + offsets
    if text := note():
        yield [text]


@cache
def _offset(offset: timedelta) -> str:
    """A UTC offset that no program takes for a formula, e.g. UTC+01:00."""
    return f"UTC{datetime.now(timezone(offset)).isoformat()[-6:]}"


def _plain(cell: Cell) -> str:
    if isinstance(cell, timedelta):
        minutes = cell // timedelta(minutes=1)
        return f"{minutes // 60}:{minutes % 60:02}"
    return _without_formula(cell) if isinstance(cell, str) else "" if cell is None else str(cell)


def _without_formula(cell: str) -> str:
    """A spreadsheet program of another country may split a line at other separators, so text after any of them is
    treated as a cell of its own."""
    if not _MAY_BE_FORMULA.search(cell):
        return f"'{cell}" if cell.startswith(_CONTROL) else cell
    safe = _FORMULA.sub(lambda run: f"{run[0]}'" if run.start() == 0 or _SEPARATORS & set(run[0]) else run[0], cell)
    return f"'{safe}" if safe.startswith(_CONTROL) else safe
