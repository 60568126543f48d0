"""The lists of conversations as people see them: one line each, two where the terminal is narrow."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.text import Text

from domain.contract.row import Row
from infra.postgres.lists.desk import DeskPage
from infra.postgres.lists.unmanaged import UnmanagedPage
from witiop.cli.views.display import GAP, aligned, cut, duration, harmless, status_cell, utc_minute

_HEAD = ("STATUS", "LEFT", "LAST (UTC)", "REASON", "CUSTOMER", "ID", "LAST TEXT")
_DESK_HEAD = ("STATUS", "LEFT", "LAST (UTC)", "WHO HAS IT", "CUSTOMER", "ID", "LAST TEXT")
_CUSTOMER_CELLS = 22
_ID_CELLS = 36
_WIDE = 140
"""Cells of a line from which on the last text has its place in it."""


def list_lines(page: UnmanagedPage, now: datetime, width: int | None) -> list[Text]:
    """`width` in cells, None for a pipe: there nothing is cut. LEFT is the time until the window closes."""
    cells = [_cells(row, row.reason.value if row.reason else "", now, width) for row in page.rows]
    lines = _table(_HEAD, cells, width) or [Text("No unmanaged conversations.")]
    counts = f"{page.counts['active']} active, {page.counts['closed']} closed"
    return [*lines, Text(), Text(counts + (f"; the next page: --after {page.next}" if page.next else ""), "dim")]


def desk_lines(page: DeskPage, now: datetime, width: int | None) -> list[Text]:
    """As `list_lines`, of conversations that somebody has or that wait for somebody."""
    lines = _table(_DESK_HEAD, [_cells(row, _who(row, now), now, width) for row in page.rows], width)
    if page.next:
        lines += [Text(), Text(f"the next page: --after {page.next}", "dim")]
    return lines or [Text("No such conversations.")]


def _table(head: Sequence[str], cells: Sequence[Sequence[Text]], width: int | None) -> list[Text]:
    """Nothing if there are no rows."""
    rows = [[Text(title, "bold") for title in head], *cells]
    if not cells:
        return []
    if width is None:
        return aligned(rows)
    if width >= _WIDE:
        return [cut(line, width) for line in aligned(rows)]
    return _two_lines_each(rows, width)


def _who(row: Row, now: datetime) -> str:
    owner = row.owner
    if owner is None:
        return "answered from the phone app"
    until = f", {duration(owner.until - now)} left" if owner.until else ""
    return f"{owner.kind} {harmless(owner.id)} ({owner.state}{until})"


def _cells(row: Row, why: str, now: datetime, width: int | None) -> list[Text]:
    customer = Text(" ".join(harmless(name) for name in (row.customer_name, row.wa_id or row.user_id) if name))
    return [
        status_cell(row.status),
        Text(duration(row.window_ends_at - now) if row.status == "active" else "", _urgency(row, now)),
        Text(utc_minute(row.last_at)),
        Text(why),
        cut(customer, _CUSTOMER_CELLS) if width else customer,
        Text(str(row.id), "dim"),
        Text(harmless(row.last_text or "")),
    ]


def _urgency(row: Row, now: datetime) -> str:
    return "bold red" if row.status == "active" and row.window_ends_at - now < timedelta(minutes=30) else ""


def _two_lines_each(rows: Sequence[Sequence[Text]], width: int) -> list[Text]:
    lines = []
    firsts = aligned([row[:-2] for row in rows])
    for first, (*_, id_, text) in zip(firsts, rows, strict=True):
        id_.pad_right(_ID_CELLS - id_.cell_len)
        lines += [cut(first, width), cut(Text.assemble(GAP, id_, GAP, text), width)]
    return lines
