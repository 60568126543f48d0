"""Finds the line of a key in a TOML text; tomllib reports lines for syntax errors only."""

import tomllib
from collections.abc import Callable, Iterator
from typing import Any

_MOST_ATTEMPTS = 200
_ENDS = ("]", "}", '"""', "'''")
"""What the last line of a statement of several lines has."""

KeyPath = tuple[str | int, ...]
"""Keys and list indexes from the top, e.g. `("number", 0, "menu", "1")`."""


def key_lines(text: str) -> Callable[[KeyPath], int | None]:
    """Returns a function that finds the line of a key in a valid text, counted from 1.

    For an unknown key it returns the line of the nearest enclosing table or value, None if there is none. The text is
    split into statements: lines are joined until they parse. Behind a statement that does not parse after
    `_MOST_ATTEMPTS` no lines are found, because each attempt takes time by the whole statement.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    statement, start, attempts = "", 1, 0
    for number, line in enumerate(text.split("\n"), 1):
        statement += line + "\n"
        if attempts and not any(end in line for end in _ENDS):
            continue
        try:
            read = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            attempts += 1
            if attempts > _MOST_ATTEMPTS:
                break
            continue
        if statement.lstrip().startswith("["):
            table = _table(read, counts)
            lines.setdefault(table, start)
        else:
            for path in _paths(read):
                lines.setdefault(table + path, start)
        statement, start, attempts = "", number + 1, 0

    def line_of(path: KeyPath) -> int | None:
        return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), None)

    return line_of


def _table(header: dict[str, Any], counts: dict[KeyPath, int]) -> KeyPath:
    """Returns the path of a parsed header, e.g. `{"a": {"b": [{}]}}`; `counts` has the size of each list so far."""
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
    """Yields every path inside a value, outer ones first."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (key,)
        for path in _paths(inner):
            yield (key, *path)
