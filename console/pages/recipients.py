"""The users and skillsets that the transfer dialogs offer (manual fact S9)."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection

from console.dependencies import Dependencies
from console.request import person, words
from console.words import folded
from domain.conversations.conversation import OwnerKind
from domain.directory import Directory
from domain.routing.agents import next_agent
from infra.postgres.console import audit
from infra.postgres.conversations.agents import Agents
from infra.postgres.lists.desk import waiting_for


@dataclass(frozen=True, slots=True)
class AgentOption:
    """A user who may have conversations. `state`: as their agent desktop last reported, `offline` also when that is
    stale; `free`: how many conversations they could take now."""

    id: str
    name: str
    state: Literal["ready", "paused", "offline"]
    free: int
    available: bool
    skillsets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SkillsetOption:
    """A skillset. `ready`: how many members could take a conversation now; `free`: how many they could take together;
    `first`: the member who would be offered it."""

    id: str
    name: str
    ready: int
    free: int
    waiting: int
    first: str | None

    @property
    def available(self) -> bool:
        return self.ready > 0


Options = Sequence[AgentOption] | Sequence[SkillsetOption]


def first_choice(options: Options) -> str | None:
    """The recipient that a dialog chooses at first: one who can take a conversation now; None: there is none."""
    return next((each.id for each in options if each.available), None)


def first_mode(options: Options, until: datetime | None, chosen: str | None = None) -> str:
    """The mode that a dialog chooses at first: one that can work. `until`: when a reservation would end; None: there is
    no time for one. `chosen`: the recipient, if that is not the first choice."""
    works = any(each.available for each in options if chosen in (None, each.id))
    return "immediate" if works or until is None else "exclusive"


def recipient_options(
    deps: Dependencies, conn: Connection[Any], directory: Directory, kind: OwnerKind, numbers: Collection[str] = ()
) -> Options:
    """The users or the skillsets of a dialog about conversations with these numbers: available ones first, then the
    skillsets of the numbers' menus and their members, then whom the person chose last, then by name."""
    of_menus = {each for number in numbers for each in directory.number(number).menu.values()}
    last = audit.last_recipients(conn, person().name, kind)

    def place(option: AgentOption | SkillsetOption) -> tuple[bool, bool, int]:
        skillsets = directory.users[option.id].skillsets if isinstance(option, AgentOption) else (option.id,)
        recency = last.index(option.id) if option.id in last else len(last)
        return not option.available, of_menus.isdisjoint(skillsets), recency

    if kind == "user":
        return sorted(agent_options(deps, conn, directory), key=place)
    return sorted(skillset_options(deps, conn, directory), key=place)


def agent_options(deps: Dependencies, conn: Connection[Any], directory: Directory) -> list[AgentOption]:
    """Users, those who can take a conversation first, then by name."""
    now, presence_timeout = words().now, deps.terms.presence_timeout
    found = [
        AgentOption(
            member.id,
            directory.users[member.id].name,
            "offline"
            if member.state != "offline" and member.is_presence_stale(now, presence_timeout)
            else member.state,
            member.free_capacity,
            member.is_available(now, presence_timeout),
            tuple(directory.skillsets[each].name for each in sorted(member.skillsets) if each in directory.skillsets),
        )
        for member in Agents(conn).all_with_presence().values()
        if member.max_conversations > 0 and member.id in directory.users
    ]
    return sorted(found, key=lambda each: (not each.available, each.state != "ready", _natural(each.name)))


def skillset_options(deps: Dependencies, conn: Connection[Any], directory: Directory) -> list[SkillsetOption]:
    """Skillsets, those with a ready member first, then by name."""
    now, presence_timeout = words().now, deps.terms.presence_timeout
    members = list(Agents(conn).all_with_presence().values())
    waits = waiting_for(conn)
    found = []
    for skillset in directory.skillsets.values():
        mine = [member for member in members if skillset.id in member.skillsets]
        first = next_agent(mine, now, presence_timeout)
        available = [member for member in mine if member.is_available(now, presence_timeout)]
        name = directory.users[first.id].name if first and first.id in directory.users else None
        free = sum(member.free_capacity for member in available)
        found.append(SkillsetOption(skillset.id, skillset.name, len(available), free, waits.get(skillset.id, 0), name))
    return sorted(found, key=lambda each: (each.ready == 0, _natural(each.name)))


def _natural(name: str) -> list[tuple[int, str]]:
    """The key of an order in which people look for names: 2 stands before 10, and é beside e."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.findall(r"\d{1,18}|\D+", folded(name))]
