"""Supervision: the conversations that a supervisor of skillsets sees and acts on (docs/design/sign-in.md, *Levels*)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from domain.directory import Directory


@dataclass(frozen=True, slots=True)
class Supervision:
    """What a supervisor supervises, as the directory says. `users`: the members of the skillsets; `numbers`: those
    whose menus lead to one of the skillsets. Each in ascending order."""

    skillsets: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    @classmethod
    def of(cls, skillsets: Collection[str], directory: Directory) -> Self:
        """The supervision of these skillsets; those that the directory does not have count for nothing."""
        own = directory.skillsets.keys() & set(skillsets)
        return cls(
            tuple(sorted(own)),
            tuple(sorted(id_ for id_, user in directory.users.items() if own.intersection(user.skillsets))),
            tuple(sorted(id_ for id_, number in directory.numbers.items() if own.intersection(number.menu.values()))),
        )

    def covers(self, owner_kind: str | None, owner_id: str, is_nobodys: bool, phone_number_id: str) -> bool:
        """Whether a conversation is supervised: it is owned by, queued for or reserved for one of the skillsets or a
        member of them; or it is unmanaged or dismissed (`is_nobodys`), and its number's menu leads to one of them."""
        if owner_kind is not None and owner_id in (self.skillsets if owner_kind == "skillset" else self.users):
            return True
        return is_nobodys and phone_number_id in self.numbers
