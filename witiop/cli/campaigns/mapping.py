"""The options of `witiop campaigns import` that say what is in which column, and what is the same for everybody."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

_COLUMN = re.compile(r"[A-Za-z]{1,3}")
_VARIABLE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}|([\w.]+)")
_KINDS = ("phone", "name", "language", "zone")
_LETTERS = 26


class MappedColumns(NamedTuple):
    """Which column is what, from 0. `kinds`: phone, name, language and zone; `parameters`: variable -> column."""

    kinds: Mapping[str, int]
    parameters: Mapping[str, int]


def column_named(letters: str) -> int:
    """Returns the column, from 0, of its letters in a spreadsheet program. Raises ValueError."""
    if not _COLUMN.fullmatch(letters):
        raise ValueError(letters)
    number = 0
    for letter in letters.upper():
        number = number * _LETTERS + ord(letter) - ord("A") + 1
    return number - 1


def letters_of(column: int) -> str:
    """Returns the letters of a column, from 0."""
    letters, number = "", column + 1
    while number:
        number, place = divmod(number - 1, _LETTERS)
        letters = chr(ord("A") + place) + letters
    return letters


def read_map(text: str) -> MappedColumns:
    """Returns what `--map` says: `phone=A,1=B,name=C`. A name in double braces is always a variable of the template.
    Raises UsageError."""
    kinds: dict[str, int] = {}
    parameters: dict[str, int] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, letters = (each.strip() for each in part.partition("="))
        found = _VARIABLE.fullmatch(name)
        try:
            column = column_named(letters)
        except ValueError:
            found = None
        if found is None:
            raise click.UsageError(f"--map: {part}: write the name and the letters of its column, e.g. phone=A")
        if found[1] is None and name in _KINDS:
            kinds[name] = column
        else:
            parameters[found[1] or name] = column
    return MappedColumns(kinds, parameters)


def read_values(texts: Sequence[str]) -> dict[str, str]:
    """Returns what `--value` says: variable -> the value for everybody. Raises UsageError."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        variable = _VARIABLE.fullmatch(name.strip())
        if not equals or variable is None:
            raise click.UsageError(f"--value: {text}: write VARIABLE=VALUE")
        found[variable[1] or variable[2]] = value
    return found


def read_quiet(text: str) -> dict[str, str]:
    """Returns what `--quiet` says: `20:00-09:00`. Raises UsageError."""
    start, dash, end = text.partition("-")
    if not (dash and re.fullmatch(r"\d{1,2}:\d{2}", start) and re.fullmatch(r"\d{1,2}:\d{2}", end)):
        raise click.UsageError("--quiet: write two times of day, e.g. 20:00-09:00")
    return {"start": start.zfill(5), "end": end.zfill(5)}


def mapping_body(columns: MappedColumns, values: Mapping[str, str], variables: Sequence[str]) -> dict[str, Any]:
    """Returns the mapping of a command. A variable that nothing is given for and that is called `name`, `language` or
    `zone` is read from that column. `variables`: of the templates."""
    parameters = dict(columns.parameters)
    for variable in variables:
        if variable in columns.kinds and variable not in parameters and variable not in values:
            parameters[variable] = columns.kinds[variable]
    return {**columns.kinds, "parameters": parameters, "values": dict(values)}


def mapping_text(mapping: Mapping[str, Any]) -> str:
    """Returns a mapping as `--map` takes it."""
    return ",".join(f"{name}={letters_of(column)}" for name, column in _written(mapping))


def without_column(mapping: Mapping[str, Any], columns: int) -> str:
    """Returns those parts of a mapping whose column a file with so many columns does not have, as `--map` takes them;
    empty: there are none."""
    return ",".join(f"{name}={letters_of(column)}" for name, column in _written(mapping) if column >= columns)


def _written(mapping: Mapping[str, Any]) -> list[tuple[str, int]]:
    kinds = [(name, mapping[name]) for name in _KINDS if mapping.get(name) is not None]
    variables = [
        (f"{{{{{name}}}}}" if name in _KINDS else name, column) for name, column in mapping["parameters"].items()
    ]
    return [*kinds, *variables]
