"""Choices from a number's menu: the skillset that a customer asks for (domain.md, The number's menu; manual fact
S4)."""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import category, decimal, digit, normalize

from domain.facts import CustomerTurn
from domain.outside_names import INVISIBLE

MAX_CHOICE_LENGTH = 100
"""Maximum length of a menu choice, in characters; a longer text is never a choice."""

_KEYCAP = re.compile("\u20e3")
_DRAWN_BEFORE_TEXT = re.compile(r"(?:\u20e3|(?<=[\u2460-\u2473\u2776-\u2793]))(?=\s*[^\W\d])")
"""The end of a keycap or of a number in a circle that has words behind it, as in `1️⃣ Sales`."""
_DIGIT = re.compile(r"\d")
_AROUND = " .,;:!?¡¿)(][}{>< *_~`'\"#-–—―•·“”„‟«»‹›‘’°。、・।،؛؟「」『』【】〔〕"
"""Characters around a choice that do not belong to it: brackets, punctuation, and WhatsApp's marks for bold, italic,
struck and monospaced text."""
_SIGNS = str.maketrans("ºª\u2139\u24c2\u2122", "°°\U0001f6c8\U0001f6c8\U0001f6c8")
"""Before compatibility forms are replaced, which would make letters of them."""
_NUMBERED = re.compile(
    r"([0-9]{1,2})(?:[*_~`]*(?:[.):\]。、]+ ?|\s*[-–—―|•·→]+\s+|\s+[-–—―|•·→]+\s*|[–—―|•·→]+)|[*_~`]+\s+)(?=\D)(.+)"
)
"""An option as menus print it: `1. Sales`, `1) Sales`, `1 - Sales`, `*1* Sales`."""
_BESIDE = re.compile(r"([0-9]{1,2})[\W_]+(?=\D)(.+)")
"""A number and words: an option if the words alone choose the same."""
_MOST_WORDS = 4
"""A text of more words behind a number is no option but a list of the customer's: `1) the brake is loose 2) ...`"""
_NAMED = re.compile(
    r"(?:n[ .:°#]{1,3}|(?:no|nr|num|number|n[uú]m[eé]ro|nummer|choice|scelta|opt|option|opzione|opci[oó]n|op[cç][aã]o)"
    r"[ .:°#]{0,3})([0-9]{1,2})"
)
"""A number that says that it is one: `n. 1`, `Option 1`."""


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

    A tapped button or list row chooses by its id or else by its text. An option that is written with its number, like
    `1. Sales`, chooses by the whole text or else by the number; `1 Sales` does if both choose the same. Every reply,
    and every text of only one or two digits, is a possible choice: without a match it is a failed choice. Any other
    text is a choice only if it matches.
    """
    if not menu:
        return None
    choices = _choices(tuple(menu.items()))
    text = normalise(turn.text)
    ways = (normalise(turn.option_id), *_ways(text, turn.is_reply))
    skillset = next((choices[way] for way in ways if way in choices), None) or _chosen_twice(text, choices)
    if skillset is not None:
        return ChosenSkillset(skillset) if skillset in skillsets else FailedChoice()
    if turn.is_reply or (len(text) <= 2 and text.isdecimal()):
        return FailedChoice()
    return None


def skillset_of(option_id: str, menu: Mapping[str, str]) -> str | None:
    """Returns the skillset of a menu option, compared in normalised form; None: there is no such option."""
    return _choices(tuple(menu.items())).get(normalise(option_id))


def normalise(choice: str | None) -> str:
    """Returns the normalised form of a choice: case-folded, with digits of any script and keycap emojis as 0 to 9,
    without leading zeros, and without what people put around a choice: blanks, brackets, punctuation, emojis, marks of
    bold and italic text, a number sign. Empty for no text, and for a text too long to be a choice."""
    if choice is None or len(choice) > MAX_CHOICE_LENGTH:
        return ""
    if not choice.isascii():
        choice = _in_plain_characters(choice)
    text = " ".join(choice.split()).casefold().strip(_AROUND)
    text = _without_pictures(text) or text
    return text.lstrip("0") or "0" if text.isdecimal() else text


def _without_pictures(text: str) -> str:
    """Returns a text without the emojis and symbols around it."""
    if text.isascii():
        return text
    start, end = 0, len(text)
    while start < end and _is_around(text[start]):
        start += 1
    while end > start and _is_around(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_around(char: str) -> bool:
    return char in _AROUND or category(char) in ("So", "Sk")


def _ways(text: str, is_reply: bool) -> Iterator[str]:
    """Yields what a normalised text may choose by: itself, the number in it, and what follows the number. `is_reply`:
    it is the title of a button or row."""
    yield text
    if named := _NAMED.fullmatch(text):
        yield normalise(named[1])
    numbered = _NUMBERED.fullmatch(text)
    if numbered and (is_reply or len(numbered[2].split()) <= _MOST_WORDS):
        yield normalise(numbered[1])
        yield normalise(numbered[2])


def _chosen_twice(text: str, choices: Mapping[str, str]) -> str | None:
    """Returns the skillset that a number and the words behind it both choose. The words may be its id."""
    beside = _BESIDE.fullmatch(text)
    if beside is None:
        return None
    skillset, words = choices.get(normalise(beside[1])), normalise(beside[2])
    return skillset if skillset in (choices.get(words), None) or words == normalise(skillset) else None


def _in_plain_characters(text: str) -> str:
    """Returns the text with full-width and circled forms as plain characters, digits in ASCII, and without invisible
    characters."""
    text = INVISIBLE.sub("", text.replace("\U0001f51f", "10")).translate(_SIGNS)
    text = _KEYCAP.sub("", _DRAWN_BEFORE_TEXT.sub(". ", text))
    text = normalize("NFKC", normalize("NFKC", text).casefold())
    text = "".join(str(digit(char, char)) for char in text)  # also of digits in a black circle
    return _DIGIT.sub(lambda found: str(decimal(found[0])), text)


@lru_cache(maxsize=256)
def _choices(items: tuple[tuple[str, str], ...]) -> dict[str, str]:
    choices: dict[str, str] = {}
    for choice, skillset in items:
        if key := normalise(choice):
            choices.setdefault(key, skillset)
    return choices
