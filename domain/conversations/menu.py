"""The number's menu: which skillset a customer asks for (domain.md, The number's menu; manual fact S4)."""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import decimal, normalize

from domain.facts import CustomerTurn

MAX_CHOICE_LENGTH = 100
"""Characters of the longest choice of a menu; a longer text is never one."""

_INVISIBLE = re.compile("[\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufe0f\u20e3]")
"""Direction marks, which keyboards of right-to-left scripts add, joiners, and what makes a digit the keycap emoji."""
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class ChosenSkillset:
    """The customer asked for this skillset, and it exists."""

    skillset: str


@dataclass(frozen=True, slots=True)
class FailedChoice:
    """A possible choice that leads nowhere: no such option, or its skillset does not exist."""


def read_choice(
    turn: CustomerTurn, menu: Mapping[str, str], skillsets: Container[str]
) -> ChosenSkillset | FailedChoice | None:
    """What the turn chooses from `menu` (choice -> skillset); None: no choice at all, as always without a menu.

    A tapped button or list row chooses by its id or, failing that, by its text. Every reply, and every text that is
    only one or two digits, is a possible choice: when it fits nothing it has failed. Any other text is a choice only
    if it fits.
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
    """The skillset of a menu's option, however it is written; None: there is no such option."""
    return _choices(tuple(menu.items())).get(normalise(option_id))


def normalise(choice: str | None) -> str:
    """One form for all the ways to write a choice: trimmed, case-folded, digits of any script and keycap emoji as 0 to
    9, without the dot or bracket after it. Empty for no text and for one too long to be a choice."""
    if choice is None or len(choice) > MAX_CHOICE_LENGTH:
        return ""
    if not choice.isascii():
        choice = _in_plain_characters(choice)
    return " ".join(choice.split()).casefold().rstrip(" .)")


def _in_plain_characters(text: str) -> str:
    """Full-width and circled forms as the plain ones, digits as ASCII, nothing invisible."""
    text = normalize("NFKC", normalize("NFKC", _INVISIBLE.sub("", text.replace("\U0001f51f", "10"))).casefold())
    return _DIGIT.sub(lambda digit: str(decimal(digit[0])), text)


@lru_cache(maxsize=256)
def _choices(items: tuple[tuple[str, str], ...]) -> dict[str, str]:
    choices: dict[str, str] = {}
    for choice, skillset in items:
        if key := normalise(choice):
            choices.setdefault(key, skillset)
    return choices
