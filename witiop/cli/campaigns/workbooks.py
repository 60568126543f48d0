"""Workbooks that `witiop campaigns` writes."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg import Connection

from domain.campaigns.funnel import RecipientFilter
from domain.command_bodies.campaigns import ColumnMapping
from domain.times import rfc3339
from infra.postgres.campaign_files.imports import BadRow, bad_rows
from infra.postgres.campaigns import listing
from infra.postgres.campaigns.listing import ListedRecipient
from infra.postgres.connections.clock import database_now
from infra.sheets.problem_book import problem_book
from infra.sheets.workbook import Cell, Sheet, workbook

_AT_ONCE = 5000
_COLUMNS = (
    ("row", 8),
    ("state", 12),
    ("reason", 22),
    ("to", 18),
    ("name", 24),
    ("wave", 6),
    ("template", 9),
    ("repeats row", 11),
    ("asked Meta at", 26),
    ("answered at", 26),
    ("answer", 12),
    ("known by", 10),
    ("conversation", 38),
)


def write_recipients(connection: Connection[Any], campaign: UUID, which: RecipientFilter, to: Path) -> int:
    """Writes the recipients that a number of the funnel counts; returns how many. Times are RFC 3339 in UTC. The file
    is there only once it is whole."""
    rows = (_cells(each) for each in _all(connection, campaign, which))
    return write_rows(f"Recipients of campaign {campaign}", _COLUMNS, rows, database_now(connection), to)


def write_rows(
    title: str, columns: Sequence[tuple[str, int]], rows: Iterable[Sequence[Cell]], now: datetime, to: Path
) -> int:
    """Writes a file with one sheet; returns the number of rows. The file is there only once it is whole. `columns`:
    titles and widths in characters."""
    sheet, written = Sheet("recipients", title, now, columns), 0

    def counted() -> Iterator[Sequence[Cell]]:
        nonlocal written
        for row in rows:
            written += 1
            yield row

    write_parts(workbook(sheet, counted()), to)
    return written


def write_problems(
    connection: Connection[Any], campaign: UUID, headings: Sequence[str], mapping: ColumnMapping, to: Path
) -> int:
    """Writes the rows of a file that nothing is sent to because of what stands in them, with why; returns how many.
    Mended, the file can be imported as it is."""
    written = 0

    def rows() -> Iterator[BadRow]:
        nonlocal written
        after = 0
        while found := bad_rows(connection, campaign, after):
            yield from found
            written, after = written + len(found), found[-1].row_no

    write_parts(problem_book(headings, mapping, rows(), _PlainWords(), database_now(connection)), to)
    return written


def write_parts(parts: Iterable[bytes], to: Path) -> None:
    """Writes the parts of a file. It is there only once it is whole."""
    unfinished = to.with_name(f"{to.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            file.writelines(parts)
        unfinished.replace(to)
    finally:
        unfinished.unlink(missing_ok=True)


class _PlainWords:
    """The words of the workbook of problems: their codes, as words."""

    title, row, why = "problems", "row", "why"

    def problem(self, code: str) -> str:
        return code.replace("_", " ")

    def repeats(self, row: int) -> str:
        return f"repeats row {row}"


def _all(connection: Connection[Any], campaign: UUID, which: RecipientFilter) -> Iterator[ListedRecipient]:
    after: int | None = 0
    while after is not None:
        page = listing.page(connection, campaign, which, _AT_ONCE, after)
        yield from page.recipients
        after = page.next


def _cells(row: ListedRecipient) -> list[Cell]:
    return [
        row.row_no,
        row.state,
        row.reason,
        row.address,
        row.name,
        row.wave,
        row.variant + 1,
        row.repeats,
        _time(row.accepted_at),
        _time(row.answered_at),
        row.outcome,
        row.proof,
        str(row.conversation_id) if row.conversation_id else None,
    ]


def _time(at: datetime | None) -> str | None:
    return rfc3339(at.astimezone(UTC)) if at is not None else None
