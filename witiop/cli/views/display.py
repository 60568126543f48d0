"""Prints to people: aligned and coloured in a terminal, plain and uncut in a pipe.

Text from customers may contain control characters that would drive a terminal or reverse the reading direction of a
line. `harmless` replaces them by visible escapes.
"""

import json
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console
from rich.text import Text

from domain.conversations.conversation import Status

GAP = "  "
"""Gap between two columns."""

_STATUSES: dict[Status, tuple[str, str]] = {"active": ("● active", "yellow"), "closed": ("✔ closed", "green")}
"""Icon and colour as in manual fact S5: yellow while active, a green tick once closed."""


def status_cell(status: Status) -> Text:
    """Returns the status with its icon and colour."""
    return Text(*_STATUSES[status])


def harmless(text: str) -> str:
    """Returns the text as one line, with control characters, line separators and direction marks escaped.

    Joiners, which emoji and some scripts need, are left as they are.
    """
    return "".join(
        char if char.isprintable() or char in "\u200c\u200d" else _REPLACEMENTS.get(char) or _escaped(char)
        for char in text.replace("\r\n", "\n")
    )


_REPLACEMENTS = {"\n": " ⏎ ", "\t": " "}


def _escaped(char: str) -> str:
    if unicodedata.category(char) == "Zs":  # unusual spaces are harmless
        return " "
    return char.encode("unicode_escape").decode()


def cut(text: Text, cells: int) -> Text:
    """Returns the text cut to this many cells (wide characters take two), ending in an ellipsis if it was longer."""
    shorter = text.copy()
    shorter.truncate(max(cells, 1), overflow="ellipsis")
    return shorter


def aligned(rows: Sequence[Sequence[Text]]) -> list[Text]:
    """Returns one line per row, with columns as wide as their widest cell and no trailing spaces."""
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
    """Returns `first` followed by the body; further lines of the body are indented below it.

    Lines are wrapped at `width` cells; None does not wrap.
    """
    space = " " * first.cell_len
    console = Console(width=10_000)
    lines: list[Text] = []
    for part in body.splitlines() or [""]:
        text = Text(harmless(part))
        lines += text.wrap(console, max(width - first.cell_len, 20)) if width else [text]
    for line in lines:
        line.rstrip()
    return [Text.assemble(space if number else first, line) for number, line in enumerate(lines)]


def duration(length: timedelta) -> str:
    """Returns a length as days and hours, hours and minutes, or minutes; "0m" if it is negative."""
    minutes = max(0, int(length.total_seconds()) // 60)
    hours, minutes = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days > 1:
        return f"{days}d {hours_left}h"
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m"


def utc_minute(at: datetime) -> str:
    """Returns a time in UTC, e.g. 2026-07-01 12:00."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def terminal_width() -> int | None:
    """Returns the width of the terminal in cells, None in a pipe."""
    console = Console()
    return console.width if console.is_terminal else None


def show(lines: Iterable[Text | str]) -> None:
    """Prints lines to standard output. A terminal wraps long lines; a pipe gets them without colour."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lines:
        console.print(line)


def show_json(document: object) -> None:
    """Prints a JSON document in ASCII, so that text from customers cannot affect a terminal or a pipe."""
    click.echo(json.dumps(document, indent=2))
