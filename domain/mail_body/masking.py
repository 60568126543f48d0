"""Masking of phone numbers in mail bodies (domain.md, *Mail*).

The customer's own number is masked in every way of writing it, and so is every other group of seven or more digits,
with or without separators: masking too many numbers is better than showing a phone number. Digits that are clearly not
a phone number stay: a date, opening hours, a position on the map, and a number after a word such as order, invoice or
ticket, or after a #.
"""

import re
from unicodedata import decimal

_SHOWN_DIGITS = 3
_OWN_DIGITS = 7
"""Number of last digits by which the customer's own number is recognised; the digits before them are written in many
ways."""

_SEPARATOR = r"(?:[^\S\n]|[()./\-\u2010-\u2015\u200b-\u200f\u2060\ufe0f\u20e3\ufeff])"
"""A separator between two digits of one number: not a line end; includes the marks of keycap emojis and invisible
characters."""
_GAP = r"[\W_]{0,6}"
"""The separators between two digits of the customer's own number: any characters that are not letters or digits,
including line ends."""
_LETTER = r"[^\W\d_]"
_TO = r"[ \t\xa0.:#°º-]{0,3}"
_LABELS = (
    "order|ordine|ord|invoice|inv|fattura|receipt|ricevuta|scontrino|ticket|tracking|spedizione|shipment|booking|"
    "prenotazione|pratica|reference|riferimento|ref|rif|article|articolo|art|sku|ean|serial|matricola|code|codice"
)
_TIME = r"[0-2]?\d[.:][0-5]\d"
_NOT_A_PHONE = rf"""
    (?<!\d) (?<!\d[./-])
    (?: (?:19|20)\d\d - (?:0[1-9]|1[0-2]) - (?:0[1-9]|[12]\d|3[01])
      | (?:0?[1-9]|[12]\d|3[01]) [./-] (?:0?[1-9]|1[0-2]) [./-] (?:19|20)\d\d
      | {_TIME} [ ]?[-–][ ]? {_TIME}
      | -?\d\d?\.\d{{5,}} ,[ ] -?\d{{1,3}}\.\d{{5,}} )
    (?! \d | [./-]\d )
"""
_LABELLED = rf"""
    (?<![^\W_]) (?: (?:{_LABELS}) (?!{_LETTER}) | \# ) {_TO}
    (?: (?:number|numero|num|nr|no|n|id|is) (?!{_LETTER}) {_TO} ){{0,2}}
    (?!00[1-9]\d{{7}}) {_LETTER}{{0,4}} \d\w* (?:[/-]\w+)*
"""
_PHONE = re.compile(
    rf"{_NOT_A_PHONE} | {_LABELLED} | (?P<phone> [+(]*\d (?:{_SEPARATOR}{{0,2}} (?!{_NOT_A_PHONE}) \d){{6,}} )",
    re.VERBOSE | re.IGNORECASE,
)


class PhoneMasking:
    """Masks the phone numbers in the texts of one conversation. `wa_id`: the customer's own number; None: not known."""

    def __init__(self, wa_id: str | None) -> None:
        digits = [str(decimal(char)) for char in wa_id or "" if char.isdecimal()][-_OWN_DIGITS:]
        own = rf"(?P<phone>[+(]*(?:\d{_GAP}){{0,12}}{_GAP.join(digits)}(?!\d))"
        self._patterns = [re.compile(own), _PHONE] if len(digits) == _OWN_DIGITS else [_PHONE]

    def hide(self, text: str) -> str:
        """Returns the text with all but the last three digits of each phone number masked."""
        for pattern in self._patterns:
            text = _masked(pattern, text)
        return text


def _masked(pattern: re.Pattern[str], text: str) -> str:
    """Returns the text with the matches of a pattern masked. Digits of every script are matched, and those that stay
    are not changed."""
    plain = text if text.isascii() else re.sub(r"\d", lambda digit: str(decimal(digit[0])), text)
    parts, end = [], 0
    for found in pattern.finditer(plain):
        start, stop = found.span("phone")
        if start >= 0:
            parts.append(text[end:start])
            remaining = sum(char.isdecimal() for char in text[start:stop])
            for char in text[start:stop]:
                if char.isdecimal():
                    parts.append("•" if remaining > _SHOWN_DIGITS else char)
                    remaining -= 1
                elif char == "\n":
                    parts.append(char)
            end = stop
    return "".join([*parts, text[end:]])
