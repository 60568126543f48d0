"""Search: how the texts of a row and what somebody types become comparable words.

Both are folded in the same way: compatibility forms and accents are removed, letters lose their case, and everything
that is neither letter nor digit separates words. Scripts without blanks between words (Chinese, Japanese, Thai, ...)
are cut into pairs of letters. A word that was typed finds all words that begin with it; a phone is found by its last
digits, in every usual spelling.
"""

import re
from collections.abc import Iterable, Iterator
from unicodedata import category, decimal, normalize
from uuid import UUID

from domain.outside_names import INVISIBLE
from domain.phone_numbers import phone_key, read_phone

MAX_TYPED = 8
"""Further words of a search are ignored."""

_APOSTROPHES = re.compile("['\u2018\u2019\u201a\u201b\u2032\u02b9-\u02bd\u02c8\u0060\u00b4\uff07]")
_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ı": "i", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th"}
    | {"ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ـ": ""}
)
"""Letters that are not composed of a letter and an accent, as people without them write them; Arabic letters that are
written in two ways, and its lengthening stroke."""
_DIGIT = re.compile(r"[^\W\D]")
_ASCII = re.compile("[a-z0-9]+")
_WORD = re.compile(r"[^\W_]+")
_JOINED = re.compile(r"(?<![^\W_])[^\W_]++(?:'[^\W_]++)++")
"""Words that an apostrophe joins. Possessive, so that long words are read once."""
_WITHOUT_BLANKS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)
_PHONE = re.compile(r"[-+0-9 ()./\u2010-\u2015\u00a0]+")
_TRUNK = re.compile("0|8(?=[0-9]{10}$)")
"""What is dialled before a national number."""
_NINTH_DIGIT = re.compile("([1-9][1-9])9([016-9][0-9]{7})")
"""A national number of Brazil, of which Meta may know the form without the 9."""
_SUBSCRIBER = 8
"""Last digits that codes of areas, carriers and mobiles do not touch, in the countries where these stand between."""
_LONGEST_NATIONAL = 11
_SHORTEST_END = 4
"""The fewest last digits by which a phone is found."""
_MAX_WORD = 64
"""Longer words are cut, also those that are typed."""


def searched(texts: Iterable[str | None], phones: Iterable[str | None], ids: Iterable[str | None]) -> str:
    """Returns the words by which a row is found, separated by single blanks, also if a sender puts blanks into an id:
    one row with an empty word would make every search fail. `texts`: names and messages; `phones`: as Meta writes them;
    `ids`: are found as a whole or by their beginning."""
    found = dict.fromkeys(word for text in texts if text for word in _words(text))
    for wa_id in filter(None, phones):
        found |= dict.fromkeys(wa_id[start:] for start in range(max(1, len(wa_id) - _SHORTEST_END + 1)))
        if (key := phone_key(wa_id)) != wa_id:
            found |= dict.fromkeys(key[start:] for start in range(len(key) - _SHORTEST_END + 1))
    found |= dict.fromkeys(word for each in ids if each for word in _id_words(each))
    return " ".join(" ".join(found).split())


def asked(typed: str) -> list[list[str]]:
    """Returns the alternatives that a search means: each a list of words that a row must all have, at least at their
    beginning. Empty: nothing to search for."""
    phones = _typed_phones(typed)
    try:
        whole = UUID(typed.strip()).hex
    except ValueError:
        words = list(dict.fromkeys(word for word in _words(typed, every_part=False)))[:MAX_TYPED]
    else:
        words = [whole]
    return [alternative for alternative in (words, *([phone] for phone in phones)) if alternative]


def phrase(text: str) -> str:
    """Returns the folded words of a text in their order, separated by single blanks."""
    return " ".join(_words(text, every_part=False))


def has_phrase(said: str, wanted: str) -> bool:
    """Returns whether a text, as `phrase` returns it, has the words of `wanted` one after the other. A final `*` of
    those stands for any ending."""
    words = phrase(wanted)
    return bool(words) and f" {words}{'' if wanted.rstrip().endswith('*') else ' '}" in f" {said} "


def _words(text: str, every_part: bool = True) -> Iterator[str]:
    """Yields the folded words of a text. `every_part`: with those that an apostrophe joins also as one word."""
    if text.isascii() and "'" not in text and "`" not in text:
        yield from (word[:_MAX_WORD] for word in _ASCII.findall(text.lower()))
        return
    folded = normalize("NFKD", normalize("NFKD", INVISIBLE.sub("", _APOSTROPHES.sub("'", text))).casefold())
    plain = _in_ascii_digits("".join(char for char in folded if category(char)[0] != "M").translate(_LETTERS))
    if every_part:
        yield from (word.replace("'", "")[:_MAX_WORD] for word in _JOINED.findall(plain))
    for word in _WORD.findall(plain):
        yield from _pairs(word, every_part)


def _pairs(word: str, every_part: bool) -> Iterator[str]:
    """Yields a word, or, where a script has no blanks, its pairs of letters; a letter alone as it is. `every_part`:
    also the last letter alone, which begins no pair."""
    end = 0
    for run in _WITHOUT_BLANKS.finditer(word):
        if word[end : run.start()]:
            yield word[end : run.start()][:_MAX_WORD]
        letters = run[0]
        yield from (letters[n : n + 2] for n in range(len(letters) if every_part else max(1, len(letters) - 1)))
        end = run.end()
    if word[end:]:
        yield word[end:][:_MAX_WORD]


def _id_words(each: str) -> Iterator[str]:
    try:
        yield UUID(each).hex
    except ValueError:
        yield from _words(each)


def _in_ascii_digits(text: str) -> str:
    return _DIGIT.sub(lambda found: str(decimal(found[0])), text)


def _typed_phones(typed: str) -> list[str]:
    """Returns the digits by which a phone is searched: as they are, without what is dialled before a country or area
    code, and in the forms that Meta may know."""
    typed = _in_ascii_digits(INVISIBLE.sub("", normalize("NFKC", typed)))
    if not _PHONE.fullmatch(typed) and not read_phone(typed):
        return []
    digits = read_phone(typed) or re.sub("[^0-9]", "", re.sub(r"\(\s*0\s*\)", "", typed))
    trunk = _TRUNK.match(digits)
    national = digits.lstrip("0") if digits.startswith("0") else digits
    found = [national]
    if trunk and digits.startswith("8"):
        found.append(digits[1:])
    elif trunk and len(national) > _LONGEST_NATIONAL:
        found.append(national[-_SUBSCRIBER:])
    if brazilian := _NINTH_DIGIT.fullmatch(national):
        found.append(brazilian[1] + brazilian[2])
    return [each for each in dict.fromkeys(found) if len(each) >= _SHORTEST_END]
