"""On which line of a TOML text a key stands: tomllib says that for mistakes of syntax only."""

import tomllib
from collections.abc import Callable, Iterator
from typing import Any

KeyPath = tuple[str | int, ...]
"""Keys and places in lists from the top: `("number", 0, "menu", "1")`."""


def key_lines(text: str) -> Callable[[KeyPath], int | None]:
    """Finds the line, from 1, of a key of a valid text: its own, or that of the nearest thing around it.

    The statements of a TOML text are separate: lines are added until they are one on their own.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    statement, start = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        statement += line + "\n"
        try:
            read = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            table = _table(read, counts)
            lines.setdefault(table, start)
        else:
            for path in _paths(read):
                lines.setdefault(table + path, start)
        statement, start = "", number + 1

    def line_of(path: KeyPath) -> int | None:
        return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), None)

    return line_of


def _table(header: dict[str, Any], counts: dict[KeyPath, int]) -> KeyPath:
    """The path of a table's header as `{"a": {"b": [{}]}}`; `counts` are the tables so far of each list of tables."""
    path: KeyPath = ()
    while header:
        [(key, inner)] = header.items()
        path += (key,)
        is_list = isinstance(inner, list)
        header = inner[0] if is_list else inner
        if is_list:
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path += (counts[path] - 1,)
    return path


def _paths(value: object) -> Iterator[KeyPath]:
    """Every path inside a value, the outer ones first."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (key,)
        for path in _paths(inner):
            yield (key, *path)
