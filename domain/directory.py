"""The organisation as its administrators describe it: numbers with menus and hours, skillsets, users (interface.md,
Directory file). Plain data; reading the file is `witiop.directory_file.reader`, the menu is read in
`domain.conversations.menu`."""

from dataclasses import dataclass, field
from datetime import time
from typing import Literal

Level = Literal["tenant_administrator", "campaign_manager", "agent"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Language = Literal["en", "it"]
"""As in BCP 47."""


@dataclass(frozen=True, slots=True)
class Opening:
    """From `start` to before `end` of one local day; `end` is `time.max` for 24:00."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Number:
    """A WhatsApp business number. `hours` None: always open. `menu`: choice -> skillset, empty: none. `language`: of
    the letters about its conversations."""

    phone_number_id: str
    name: str = ""
    time_zone: str = "UTC"
    softbot: bool = False
    hours: dict[Weekday, tuple[Opening, ...]] | None = None
    menu: dict[str, str] = field(default_factory=dict)
    language: Language = "en"


@dataclass(frozen=True, slots=True)
class Skillset:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class User:
    """A person of the organisation; `max_conversations` at the same time."""

    id: str
    name: str
    email: str
    level: Level
    max_conversations: int
    skillsets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Directory:
    """All of it, at one moment. A number that is not listed still works: it has no menu and is always open."""

    numbers: dict[str, Number] = field(default_factory=dict)
    skillsets: dict[str, Skillset] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)

    def number(self, phone_number_id: str) -> Number:
        return self.numbers.get(phone_number_id) or Number(phone_number_id)
