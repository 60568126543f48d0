"""The directory of the organisation, as its administrators describe it: numbers with menus and opening hours,
skillsets, users, and rescue rules (interface.md, Directory file).

Plain data. `domain.directory_file` reads and writes its text, `domain.conversations.evidence.menu` interprets menus."""

from dataclasses import dataclass, field
from datetime import time
from typing import Literal

from domain.retention.periods import Retention
from domain.rules.rule import Rule

Level = Literal["tenant_administrator", "read_only", "campaign_manager", "supervisor", "agent"]
"""What a person may see and do in the console (docs/design/sign-in.md, *Levels*)."""
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Language = Literal["en", "it"]
"""BCP 47 language codes."""
TextKind = Literal["greeting", "wrong_choice", "out_of_hours", "opted_out", "opted_in"]
"""What a number says by itself: to who writes first, to who chose what is not on the menu, to who writes when it is
closed, to who has just stopped its messages, and to who wants them again."""
MENU_MARK = "{menu}"
"""Stands for the number's menu in its texts."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Opening hours from `start` (inclusive) to `end` (exclusive) on one local day; `end` is `time.max` for 24:00."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Number:
    """A WhatsApp business number. `hours` None: always open. `menu`: choice -> skillset; empty: no menu.
    `synonyms`: choice -> other words for it. `language`: the language of mail bodies about the number's
    conversations.
    `texts`: language -> what the number says by itself; without one in its language it says nothing.
    `stop_words`, `start_words`: further words by which customers opt out and in again (`domain.opt_outs.words`).
    `retention`: how long what it has is kept."""

    phone_number_id: str
    name: str = ""
    time_zone: str = "UTC"
    softbot: bool = False
    hours: dict[Weekday, tuple[Opening, ...]] | None = None
    menu: dict[str, str] = field(default_factory=dict)
    language: Language = "en"
    synonyms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    texts: dict[Language, dict[TextKind, str]] = field(default_factory=dict)
    stop_words: tuple[str, ...] = ()
    start_words: tuple[str, ...] = ()
    retention: Retention = field(default_factory=Retention)

    @property
    def choices(self) -> dict[str, str]:
        """Everything that can be chosen from the menu, synonyms too -> skillset."""
        if not self.synonyms:
            return self.menu
        words = {word: self.menu[choice] for choice, words in self.synonyms.items() for word in words}
        return {**words, **self.menu}


@dataclass(frozen=True, slots=True)
class Skillset:
    """A team or subject. `words`: what customers write who mean it, besides its name (`domain.routing.suggestions`)."""

    id: str
    name: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """A person of the organisation. `max_conversations`: the user's capacity. `skillsets`: those that a supervisor
    supervises; everybody who has a capacity is a member of them."""

    id: str
    name: str
    email: str
    level: Level
    max_conversations: int
    skillsets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Directory:
    """The whole directory at one point in time. A number that is not listed works too: without a menu and always
    open. `rules`: in their order; `former_rules`: the last names of rules that it does not have any more, by id, where
    people are shown what these did."""

    numbers: dict[str, Number] = field(default_factory=dict)
    skillsets: dict[str, Skillset] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    former_rules: dict[str, str] = field(default_factory=dict)

    def number(self, phone_number_id: str) -> Number:
        return self.numbers.get(phone_number_id) or Number(phone_number_id)
