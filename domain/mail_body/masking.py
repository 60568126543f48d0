"""Masking of phone numbers in mail bodies (domain.md, *Mail*).

The customer's own number is masked in every way of writing it, and so is every other group of seven or more digits,
with or without separators: masking too many numbers is better than showing a phone number. Digits that are clearly not
a phone number stay: a date, opening hours, a position on the map, and a number after a word such as order, invoice or
ticket, or after a #.
"""

import re
from collections.abc import Iterable, Iterator, Set
from unicodedata import decimal

_SHOWN_DIGITS = 3
_PHONE_DIGITS = 7
"""Least number of digits that are masked; also the number of last digits by which the customer's own number is
recognised: the digits before them are written in many ways."""
_PREFIX_DIGITS = 12
"""Most digits before those seven that belong to the customer's own number."""

_SEPARATOR = r"(?:[^\S\n]|[()./\-\u2010-\u2015\u200b-\u200f\u2060\ufe0f\u20e3\ufeff])"
"""A separator between two digits of one number: not a line end; includes the marks of keycap emojis and invisible
characters."""
_GROUPED = re.compile(r"\d(?:[\W_]{0,6}+\d)*")
"""Digits that may be the customer's own number: any characters that are not letters or digits may separate them,
including line ends."""
_LETTER = r"[^\W\d_]"
_TO = r"[ \t\xa0.:#°º-]{0,3}+"
_LABELS = (
    "order|ordine|ord|invoice|inv|fattura|receipt|ricevuta|scontrino|ticket|tracking|spedizione|shipment|booking|"
    "prenotazione|pratica|reference|riferimento|ref|rif|article|articolo|art|sku|ean|serial|matricola|code|codice"
)
_TIME = r"[0-2]?\d[.:][0-5]\d"
_NOT_A_PHONE = rf"""
    (?=\d) (?<![\d+]) (?<!\d[./-])
    (?: (?:19|20)\d\d - (?:0[1-9]|1[0-2]) - (?:0[1-9]|[12]\d|3[01])
      | (?:0?[1-9]|[12]\d|3[01]) [./-] (?:0?[1-9]|1[0-2]) [./-] (?:19|20)\d\d
      | {_TIME} [ ]?[-–][ ]? {_TIME}
      | \d\d?\.\d{{5,}}+ ,[ ] -?\d{{1,3}}\.\d{{5,}}+ )
    (?! \d | [./-]\d )
"""
_LABELLED = rf"""
    (?=\D) (?<![^\W_]) (?: (?<!\#) \#++ | (?:{_LABELS}) (?!{_LETTER}) ) {_TO}
    (?: (?:number|numero|num|nr|no|n|id|is) (?!{_LETTER}) {_TO} ){{0,2}}
    (?!00[1-9]\d{{7}}) {_LETTER}{{0,4}} \d\w*+ (?:[/-]\w++)*
"""
_PHONE = re.compile(
    rf"""(?=[\da-z\#]) (?:
        {_NOT_A_PHONE} | {_LABELLED}
      | (?<!\d) (?P<phone> \d (?:\d | {_SEPARATOR}{{1,2}}+ (?!{_NOT_A_PHONE}) \d ){{6,}} ) )""",
    re.VERBOSE | re.IGNORECASE,
)
"""What is no phone number although it looks like one, or a phone number. An attempt that fails has looked at a bounded
number of characters, or at one more run of digits, so the time grows with the length of the text only."""
_NO_DIGITS = re.compile(r"\D+")

_Span = tuple[int, int]


class PhoneMasking:
    """Masks the phone numbers in the texts of one conversation. `phones`: the customer's own numbers: of a group those
    of everybody who wrote in it; None among them: not known."""

    def __init__(self, phones: Iterable[str | None]) -> None:
        digits = (_NO_DIGITS.sub("", _plain(phone or "")) for phone in phones)
        self._own = frozenset(each[-_PHONE_DIGITS:] for each in digits if len(each) >= _PHONE_DIGITS)

    def hide(self, text: str) -> str:
        """Returns the text with all but the last three digits of each phone number masked."""
        if self._own:
            text = _masked(text, _own_numbers(_plain(text), self._own))
        return _masked(text, _phone_numbers(_plain(text)))


def _plain(text: str) -> str:
    """Returns the text with the digits of every script as ASCII digits, each at the same position."""
    if text.isascii():
        return text
    return text.translate({ord(char): str(decimal(char)) for char in set(text) if char.isdecimal()})


def _own_numbers(plain: str, own: Set[str]) -> Iterator[_Span]:
    """Yields where one of the customer's own numbers is, from left to right."""
    for found in _GROUPED.finditer(plain):
        digits = _NO_DIGITS.sub("", found[0])
        at = _find(digits, own, 0)
        if at < 0:
            continue
        places = [place for place, char in enumerate(found[0], found.start()) if char.isdecimal()]
        free = 0
        while at >= 0:
            last = at + _PHONE_DIGITS - 1
            if last + 1 == len(places) or places[last + 1] > places[last] + 1:
                yield places[max(free, at - _PREFIX_DIGITS)], places[last] + 1
                free = last + 1
            at = _find(digits, own, max(free, at + 1))


def _find(digits: str, own: Set[str], start: int) -> int:
    """Returns where the next of the numbers begins; -1: there is none. O(digits) however many numbers a group has."""
    if len(own) == 1:
        return digits.find(next(iter(own)), start)
    places = range(start, len(digits) - _PHONE_DIGITS + 1)
    return next((place for place in places if digits[place : place + _PHONE_DIGITS] in own), -1)


def _phone_numbers(plain: str) -> Iterator[_Span]:
    """Yields where a phone number may be, from left to right."""
    for found in _PHONE.finditer(plain):
        if found["phone"]:
            yield found.span("phone")


def _masked(text: str, numbers: Iterable[_Span]) -> str:
    """Returns the text with the numbers masked. Digits that stay are not changed; line ends stay."""
    parts, end = [], 0
    for start, stop in numbers:
        parts.append(text[end:start].rstrip("+("))
        hidden = sum(map(str.isdecimal, text[start:stop])) - _SHOWN_DIGITS
        for char in text[start:stop]:
            if char.isdecimal():
                parts.append("•" if hidden > 0 else char)
                hidden -= 1
            elif char == "\n":
                parts.append(char)
        end = stop
    return "".join([*parts, text[end:]])
