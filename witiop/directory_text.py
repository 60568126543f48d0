"""The directory as people and programs read it: the text of a directory file, and the same as plain JSON values."""

import json
from collections.abc import Mapping
from dataclasses import asdict

from domain.directory import Directory, Number
from witiop.directory_tables import hours_text


def directory_document(directory: Directory) -> dict[str, list[dict[str, object]]]:
    """The tables of a directory file, by kind."""
    return {
        "skillset": [asdict(skillset) for skillset in directory.skillsets.values()],
        "user": [asdict(user) for user in directory.users.values()],
        "number": [_number(number) for number in directory.numbers.values()],
    }


def directory_text(directory: Directory) -> str:
    """A directory file; reading it gives the same directory."""
    tables = [
        "\n".join([f"[[{kind}]]", *(f"{key} = {_toml(value)}" for key, value in table.items() if value is not None)])
        for kind, described in directory_document(directory).items()
        for table in described
    ]
    return "\n\n".join(tables) + "\n" if tables else "# The directory is empty.\n"


def _number(number: Number) -> dict[str, object]:
    hours = None
    if number.hours is not None:
        hours = {day: [hours_text(opening) for opening in openings] for day, openings in number.hours.items()}
    return {**asdict(number), "hours": hours}


def _key(key: str) -> str:
    return key if key.isascii() and key.isalpha() else _toml(key)


def _toml(value: object) -> str:
    if isinstance(value, Mapping) and value:
        return "{ " + ", ".join(f"{_key(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # the one that JSON leaves as it is
