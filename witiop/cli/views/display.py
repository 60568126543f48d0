"""What people see: aligned, in colour where a terminal can show it, plain and uncut in a pipe.

Customers' words are data. They may hold what would drive a terminal or turn the reading direction of a line; `harmless`
shows such characters instead of obeying them.
"""

import io
import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console
from rich.text import Text

from domain.conversations.conversation import Status

GAP = "  "
"""Between two columns."""

_STATUSES: dict[Status, tuple[str, str]] = {"active": ("● active", "yellow"), "closed": ("✔ closed", "green")}
"""As in manual fact S5: yellow still active, a green tick no longer."""


def status_cell(status: Status) -> Text:
    """Colour, icon and word."""
    return Text(*_STATUSES[status])


def harmless(text: str) -> str:
    """The text on one line, with control characters, line separators and marks of reading direction written as escapes.

    The joiners that hold emoji and some scripts together stay."""
    return "".join(
        char if char.isprintable() or char in "\u200c\u200d" else _SHOWN.get(char) or _escaped(char)
        for char in text.replace("\r\n", "\n")
    )


_SHOWN = {"\n": " ⏎ ", "\t": " "}


def _escaped(char: str) -> str:
    if unicodedata.category(char) == "Zs":  # other spaces are only unusual
        return " "
    return char.encode("unicode_escape").decode()


def cut(text: Text, cells: int) -> Text:
    """At most so many cells wide (wide characters take two), ending in an ellipsis if something is missing."""
    shorter = text.copy()
    shorter.truncate(max(cells, 1), overflow="ellipsis")
    return shorter


def aligned(rows: Sequence[Sequence[Text]]) -> list[Text]:
    """One line a row, each column as wide as its widest cell; nothing after the last one."""
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        line = Text()
        for cell, width in zip(row, widths, strict=True):
            line.append_text(cell).append(" " * (width - cell.cell_len) + GAP)
        line.rstrip()
        lines.append(line)
    return lines


def indented(first: Text, body: str, width: int | None) -> list[Text]:
    """Words of several lines beside what stands before the first one; wrapped where the line is `width` cells wide."""
    space = " " * first.cell_len
    console = Console(width=10_000)
    lines: list[Text] = []
    for part in body.splitlines() or [""]:
        words = Text(harmless(part))
        lines += words.wrap(console, max(width - first.cell_len, 20)) if width else [words]
    for line in lines:
        line.rstrip()
    return [Text.assemble(space if number else first, line) for number, line in enumerate(lines)]


def duration(length: timedelta) -> str:
    """Days and hours, hours and minutes, or minutes; "0m" for what is over."""
    minutes = max(0, int(length.total_seconds()) // 60)
    hours, minutes = divmod(minutes, 60)
    days, rest = divmod(hours, 24)
    if days > 1:
        return f"{days}d {rest}h"
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m"


def utc_minute(at: datetime) -> str:
    """As 2026-07-01 12:00."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def terminal_width() -> int | None:
    """Cells of a line; None in a pipe, where a line may have any length."""
    console = Console()
    return console.width if console.is_terminal else None


def show(lines: Iterable[Text | str]) -> None:
    """Print to the standard output; a terminal wraps what is too long, nothing else is cut or coloured."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal of few characters shows ? for the others
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lines:
        console.print(line)


def show_json(document: object) -> None:
    """One document; all of it ASCII, so that no terminal or pipe can be upset by what customers wrote."""
    click.echo(json.dumps(document, indent=2))
