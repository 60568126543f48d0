"""What is allowed in a directory and still hardly meant: menus that lead to nobody, users without a skillset."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from domain.directory import MENU_MARK, Directory, Number

HintCode = Literal[
    "unstaffed_choice",
    "menu_not_shown",
    "other_language",
    "nameless_number",
    "empty_skillset",
    "user_without_skillset",
    "user_without_capacity",
]


class DirectoryHint(NamedTuple):
    """A hint about a table. `about`: what exactly, e.g. the choice of a menu."""

    code: HintCode
    kind: Literal["number", "skillset", "user"]
    id: str
    about: str = ""


def hints(directory: Directory) -> list[DirectoryHint]:
    """Returns all hints, by kind, in the order of the tables."""
    staffed = {skillset for user in directory.users.values() for skillset in user.skillsets}
    return [
        *(hint for number in directory.numbers.values() for hint in _of_number(number, staffed)),
        *(DirectoryHint("empty_skillset", "skillset", id_) for id_ in directory.skillsets if id_ not in staffed),
        *_of_users(directory),
    ]


def _of_number(number: Number, staffed: set[str]) -> Iterator[DirectoryHint]:
    id_ = number.phone_number_id
    if not number.name:
        yield DirectoryHint("nameless_number", "number", id_)
    for choice, skillset in number.menu.items():
        if skillset not in staffed:
            yield DirectoryHint("unstaffed_choice", "number", id_, choice)
    spoken = number.texts.get(number.language, {})
    if number.menu and not number.softbot and MENU_MARK not in spoken.get("greeting", ""):
        yield DirectoryHint("menu_not_shown", "number", id_)
    yield from (
        DirectoryHint("other_language", "number", id_, each) for each in number.texts if each != number.language
    )


def _of_users(directory: Directory) -> Iterator[DirectoryHint]:
    for user in directory.users.values():
        if user.level == "agent" and not user.skillsets:
            yield DirectoryHint("user_without_skillset", "user", user.id)
        if user.level == "agent" and user.max_conversations == 0:
            yield DirectoryHint("user_without_capacity", "user", user.id)
