"""Search: how the texts of a row and what somebody types become comparable words.

Both are folded in the same way: compatibility forms and accents are removed, letters lose their case, and everything
that is neither letter nor digit separates words. Scripts without blanks between words (Chinese, Japanese, Thai, ...)
are cut into pairs of letters. A word that was typed finds all words that begin with it; a phone is found by its last
digits, in every usual spelling.
"""

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import NamedTuple
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
_TOKEN = re.compile(r"[^\W_](?:[^\W_]|['\u2019\u0300-\u036f\u0591-\u05bd\u064b-\u0652])*")
"""A word as it is written, with its accents and apostrophes."""
_BLANK = re.compile(r"\s")
_BEFORE, _SHOWN = 40, 160
"""Characters of a passage before its first match, and at most."""


class PassagePiece(NamedTuple):
    """A piece of a text; `is_match`: a word that was searched."""

    text: str
    is_match: bool


class Passage(NamedTuple):
    """The part of a text that shows what was searched. `words`: those of `asked` that the text has."""

    pieces: Sequence[PassagePiece]
    words: Set[str]


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


def missing(words: Sequence[str], wanted: Sequence[Sequence[str]]) -> Set[str]:
    """Returns the words of all alternatives of `asked` that none of `words` begins with; none if these have all of an
    alternative."""
    lacking = [{each for each in alternative if not any(w.startswith(each) for w in words)} for alternative in wanted]
    return set().union(*lacking) if all(lacking) else set()


def passage(text: str, wanted: Sequence[Sequence[str]]) -> Passage | None:
    """Returns the part of a text with the first of the words of `asked`, all of them marked; None: it has none."""
    asked_for = {word for alternative in wanted for word in alternative}
    if text.isascii() and not any(word in text.lower() for word in asked_for):
        return None  # most texts, without a look at each of their words
    found: set[str] = set()
    spans = [span for token in _TOKEN.finditer(text) for span in _matches(token[0], token.start(), asked_for, found)]
    return Passage(tuple(_around(text, spans)), found) if spans else None


def _matches(token: str, at: int, wanted: Iterable[str], found: set[str]) -> Iterator[tuple[int, int]]:
    """Yields where a word, or pairs of letters of a script without blanks, begin with wanted words; adds those to
    `found`."""
    parts = [(0, len(token))]
    if _WITHOUT_BLANKS.search(token):
        parts = [(n, min(n + 2, len(token))) for n in range(len(token))]
    for start, end in parts:
        folded = tuple(_words(token[start:end]))
        if hit := [word for word in wanted if any(each.startswith(word) for each in folded)]:
            found.update(hit)
            yield at + start, at + end


def _around(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[PassagePiece]:
    """Yields the pieces of the passage, on one line. Where it is cut, it begins or ends with an ellipsis."""
    text = _BLANK.sub(" ", text)
    begin = max(0, spans[0][0] - _BEFORE)
    end = min(len(text), max(begin + _SHOWN, spans[0][1]))
    at = begin
    if begin:
        yield PassagePiece("…", is_match=False)
    for start, stop in spans:
        if start >= end or stop <= at:
            continue
        if start > at:
            yield PassagePiece(text[at:start], is_match=False)
        yield PassagePiece(text[max(start, at) : stop], is_match=True)
        at = stop
    if at < end:
        yield PassagePiece(text[at:end], is_match=False)
    if max(at, end) < len(text):
        yield PassagePiece("…", is_match=False)


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
