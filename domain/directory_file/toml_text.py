"""Writes a directory as the text of a directory file, which reads back as the same directory."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict

from domain.directory import Directory, Number
from domain.directory_file.rule_tables import rules_document
from domain.directory_file.tables import hours_text

TableDocument = dict[str, object]
"""A table as plain JSON values; a missing key and None mean the same."""


def directory_document(directory: Directory) -> dict[str, list[TableDocument]]:
    """Returns the tables of a directory file, by kind."""
    return {
        "skillset": [asdict(skillset) | {"words": skillset.words or None} for skillset in directory.skillsets.values()],
        "user": [asdict(user) for user in directory.users.values()],
        "number": [_number(number) for number in directory.numbers.values()],
        "rule": rules_document(directory.rules),
    }


def directory_text(directory: Directory) -> str:
    """Returns the text of the whole directory."""
    return toml_text(directory_document(directory))


def toml_text(
    document: Mapping[str, Iterable[Mapping[str, object]]],
    comment: Callable[[str, Mapping[str, object]], str] = lambda _kind, _table: "",
) -> str:
    """Returns the text of tables by kind. `comment`: what to write behind the head of a table of a kind."""
    tables = [
        "\n".join(
            [
                f"[[{kind}]]{comment(kind, table)}",
                *(f"{_key(key)} = {_toml(value)}" for key, value in table.items() if value is not None),
            ]
        )
        for kind, rows in document.items()
        for table in rows
    ]
    return "\n\n".join(tables) + "\n" if tables else "# The directory is empty.\n"


def _number(number: Number) -> TableDocument:
    hours = None
    if number.hours is not None:
        hours = {day: [hours_text(opening) for opening in openings] for day, openings in number.hours.items()}
    shown = {key: getattr(number, key) or None for key in ("synonyms", "texts", "stop_words", "start_words")}
    kept = {kind: days for kind, days in asdict(number.retention).items() if days is not None}
    return {**asdict(number), "hours": hours, **shown, "retention": kept or None}


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").isalpha() else _toml(key)


def _toml(value: object) -> str:
    if isinstance(value, Mapping) and value:
        return "{ " + ", ".join(f"{_key(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace(
        "\x7f", "\\u007f"
    )  # the only control character that JSON does not escape
