"""Renders the directory as the text of a directory file for people, and as plain JSON values for programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from domain.directory import Directory
from domain.directory_file.toml_text import directory_document, toml_text
from domain.routing.agents import Member


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


def directory_text(directory: Directory, presence: Presence) -> str:
    """Returns a directory file that describes the same directory, with presence in its comments."""
    return toml_text(directory_document(directory), partial(_comment, presence))


def _comment(presence: Presence, kind: str, table: Mapping[str, object]) -> str:
    if kind == "skillset":
        return f"  # {presence.skillset(str(table['id']))['available']} available"
    if kind != "user":
        return ""
    user = presence.user(str(table["id"]))
    return f"  # {user['state']}, {user['free']} of {table['max_conversations']} free"
