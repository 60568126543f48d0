"""Choices from a number's menu: the skillset that a customer asks for (domain.md, The number's menu; manual fact
S4)."""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import decimal, normalize

from domain.facts import CustomerTurn

MAX_CHOICE_LENGTH = 100
"""Maximum length of a menu choice, in characters; a longer text is never a choice."""

_INVISIBLE = re.compile("[\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufe0f\u20e3]")
"""Direction marks, which keyboards of right-to-left scripts add, joiners, and the characters of keycap emojis."""
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class ChosenSkillset:
    """The customer asked for this skillset, and it exists."""

    skillset: str


@dataclass(frozen=True, slots=True)
class FailedChoice:
    """A possible choice without a skillset: there is no such option, or its skillset does not exist."""


def read_choice(
    turn: CustomerTurn, menu: Mapping[str, str], skillsets: Container[str]
) -> ChosenSkillset | FailedChoice | None:
    """Returns the choice that a turn makes from `menu` (choice -> skillset); None: the turn is not a choice, or the
    menu is empty.

    A tapped button or list row chooses by its id or else by its text. Every reply, and every text of only one or two
    digits, is a possible choice: without a match it is a failed choice. Any other text is a choice only if it matches.
    """
    if not menu:
        return None
    choices = _choices(tuple(menu.items()))
    text = normalise(turn.text)
    skillset = choices.get(normalise(turn.option_id)) or choices.get(text)
    if skillset is not None:
        return ChosenSkillset(skillset) if skillset in skillsets else FailedChoice()
    if turn.is_reply or (len(text) <= 2 and text.isdecimal()):
        return FailedChoice()
    return None


def skillset_of(option_id: str, menu: Mapping[str, str]) -> str | None:
    """Returns the skillset of a menu option, compared in normalised form; None: there is no such option."""
    return _choices(tuple(menu.items())).get(normalise(option_id))


def normalise(choice: str | None) -> str:
    """Returns the normalised form of a choice: trimmed, case-folded, with digits of any script and keycap emojis as 0
    to 9, without trailing dots or brackets. Empty for no text, and for a text too long to be a choice."""
    if choice is None or len(choice) > MAX_CHOICE_LENGTH:
        return ""
    if not choice.isascii():
        choice = _in_plain_characters(choice)
    return " ".join(choice.split()).casefold().rstrip(" .)")


def _in_plain_characters(text: str) -> str:
    """Returns the text with full-width and circled forms as plain characters, digits in ASCII, and without invisible
    characters."""
    text = normalize("NFKC", normalize("NFKC", _INVISIBLE.sub("", text.replace("\U0001f51f", "10"))).casefold())
    return _DIGIT.sub(lambda digit: str(decimal(digit[0])), text)


@lru_cache(maxsize=256)
def _choices(items: tuple[tuple[str, str], ...]) -> dict[str, str]:
    choices: dict[str, str] = {}
    for choice, skillset in items:
        if key := normalise(choice):
            choices.setdefault(key, skillset)
    return choices
