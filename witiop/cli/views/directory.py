"""Renders the directory as the text of a directory file for people, and as plain JSON values for programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from domain.directory import Directory, Number
from domain.routing.agents import Member
from witiop.directory_file.tables import hours_text


@dataclass(frozen=True, slots=True)
class Presence:
    """Presence at the time `now`: members by user id.

    An agent whose desktop reported nothing for `presence_timeout` counts as offline.
    """

    members: Mapping[str, Member]
    now: datetime
    presence_timeout: timedelta

    def user(self, id_: str) -> dict[str, object]:
        """Returns what `directory show` adds to a user; `free` is the free capacity."""
        member = self.members.get(id_) or Member(id_, frozenset(), 0)
        return {
            "state": "offline" if member.is_presence_stale(self.now, self.presence_timeout) else member.state,
            "ready": member.is_ready(self.now, self.presence_timeout),
            "available": member.is_available(self.now, self.presence_timeout),
            "free": member.free_capacity,
        }

    def skillset(self, id_: str) -> dict[str, object]:
        """Returns what `directory show` adds to a skillset: the members who are available (manual fact S9)."""
        members = [member for member in self.members.values() if id_ in member.skillsets]
        return {"available": sum(member.is_available(self.now, self.presence_timeout) for member in members)}


def directory_with_presence(directory: Directory, presence: Presence) -> dict[str, list[dict[str, object]]]:
    """Returns `directory_document` with presence."""
    document = directory_document(directory)
    for kind, lookup in (("user", presence.user), ("skillset", presence.skillset)):
        document[kind] = [table | lookup(str(table["id"])) for table in document[kind]]
    return document


def directory_document(directory: Directory) -> dict[str, list[dict[str, object]]]:
    """Returns the tables of a directory file, by kind."""
    return {
        "skillset": [asdict(skillset) for skillset in directory.skillsets.values()],
        "user": [asdict(user) for user in directory.users.values()],
        "number": [_number(number) for number in directory.numbers.values()],
    }


def directory_text(directory: Directory, presence: Presence | None = None) -> str:
    """Returns a directory file that describes the same directory, with presence in its comments."""
    tables = [
        "\n".join(
            [
                f"[[{kind}]]{_comment(kind, table, presence)}",
                *(f"{key} = {_toml(value)}" for key, value in table.items() if value is not None),
            ]
        )
        for kind, rows in directory_document(directory).items()
        for table in rows
    ]
    return "\n\n".join(tables) + "\n" if tables else "# The directory is empty.\n"


def _comment(kind: str, table: Mapping[str, object], presence: Presence | None) -> str:
    if presence is None or kind == "number":
        return ""
    if kind == "skillset":
        return f"  # {presence.skillset(str(table['id']))['available']} available"
    user = presence.user(str(table["id"]))
    return f"  # {user['state']}, {user['free']} of {table['max_conversations']} free"


def _number(number: Number) -> dict[str, object]:
    hours = None
    if number.hours is not None:
        hours = {day: [hours_text(opening) for opening in openings] for day, openings in number.hours.items()}
    shown = {key: getattr(number, key) or None for key in ("synonyms", "texts", "stop_words", "start_words")}
    return {**asdict(number), "hours": hours, **shown}


def _key(key: str) -> str:
    return key if key.isascii() and key.isalpha() else _toml(key)


def _toml(value: object) -> str:
    if isinstance(value, Mapping) and value:
        return "{ " + ", ".join(f"{_key(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace(
        "\x7f", "\\u007f"
    )  # the only control character that JSON does not escape
