"""Levels by what an OpenID provider says of a person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast, get_args

from domain.directory import Level

DIRECTORY = "directory"
"""In the place of a level: the one that the directory gives to the user of the person's name."""


@dataclass(frozen=True, slots=True)
class Role:
    """A value of the claim, and what it gives. `level` None: that of the directory. `skillsets`: of a supervisor."""

    value: str
    level: Level | None
    skillsets: tuple[str, ...] = ()


class GivenLevel(NamedTuple):
    """The level that a person gets. `level` None: that of the directory; `skillsets` None: likewise."""

    level: Level | None
    skillsets: tuple[str, ...] | None


def read_role(text: str) -> Role:
    """Reads a role as the setting writes it: VALUE=LEVEL, or VALUE=supervisor:SKILLSET+SKILLSET. Raises ValueError with
    a sentence about what is wrong."""
    value, equals, given = text.rpartition("=")
    level, _, listed = given.partition(":")
    skillsets = tuple(each for each in listed.split("+") if each)
    if not equals or not value:
        raise ValueError("each must be written as value=level")
    if level == DIRECTORY and not listed:
        return Role(value, None)
    if level not in get_args(Level) or level == "agent":
        raise ValueError(f"{level} is no level; agents get theirs from the {DIRECTORY}")
    if (level == "supervisor") != bool(skillsets):
        raise ValueError("a supervisor, and nobody else, has skillsets: value=supervisor:sales+support")
    return Role(value, cast(Level, level), skillsets)


def level_by(roles: Sequence[Role], claims: Mapping[str, Any], claim: str) -> GivenLevel | None:
    """The level of a person with these claims: the first role that they have counts, and of a supervisor the skillsets
    of all such roles. None: they have none. `claim`: a name, or a path into objects, e.g. realm_access.roles."""
    values = _values(claims, claim)
    own = [role for role in roles if role.value in values]
    if not own:
        return None
    first = own[0]
    if first.level != "supervisor":
        return GivenLevel(first.level, None)
    skillsets = dict.fromkeys(id_ for role in own if role.level == "supervisor" for id_ in role.skillsets)
    return GivenLevel("supervisor", tuple(skillsets))


def text_of(claims: Mapping[str, Any], claim: str) -> str | None:
    """The value of a claim that is a text on one line; None: it is missing or something else."""
    value = claims.get(claim)
    if not isinstance(value, str):
        return None
    return value.strip() if value.strip() and value.isprintable() and len(value) <= 256 else None


def _values(claims: Mapping[str, Any], claim: str) -> set[str]:
    found: Any = claims.get(claim)
    if found is None:
        found = claims
        for name in claim.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return {found}
    return {each for each in found if isinstance(each, str)} if isinstance(found, Iterable) else set()
