"""Hiding phone numbers in letters (domain.md, *Mail*).

Hidden are the customer's own number in whatever form it is written, and every other row of seven digits or more,
grouped or not: rather a number too many hidden than a phone shown. What says that it is something else stays: a date,
opening hours, a position on the map, and what is called an order, an invoice, a ticket or the like, or has a # before.
"""

import re
from unicodedata import decimal

_SHOWN_DIGITS = 3
_OWN_DIGITS = 7
"""The last of the customer's number, by which it is known again: what stands before them is written in many ways."""

_BETWEEN = r"(?:[^\S\n]|[()./\-\u2010-\u2015\u200b-\u200f\u2060\ufe0f\u20e3\ufeff])"
"""Two digits of one number: never lines; also the marks of keycap emojis, and what nobody sees."""
_GAP = r"[\W_]{0,6}"
"""Two digits of the customer's own number: whatever they are kept apart with, also a line's end."""
_LETTER = r"[^\W\d_]"
_TO = r"[ \t\xa0.:#°º-]{0,3}"
_CALLED = (
    "order|ordine|ord|invoice|inv|fattura|receipt|ricevuta|scontrino|ticket|tracking|spedizione|shipment|booking|"
    "prenotazione|pratica|reference|riferimento|ref|rif|article|articolo|art|sku|ean|serial|matricola|code|codice"
)
_TIME = r"[0-2]?\d[.:][0-5]\d"
_NO_PHONE = rf"""
    (?<!\d) (?<!\d[./-])
    (?: (?:19|20)\d\d - (?:0[1-9]|1[0-2]) - (?:0[1-9]|[12]\d|3[01])
      | (?:0?[1-9]|[12]\d|3[01]) [./-] (?:0?[1-9]|1[0-2]) [./-] (?:19|20)\d\d
      | {_TIME} [ ]?[-–][ ]? {_TIME}
      | -?\d\d?\.\d{{5,}} ,[ ] -?\d{{1,3}}\.\d{{5,}} )
    (?! \d | [./-]\d )
"""
_NAMED = rf"""
    (?<![^\W_]) (?: (?:{_CALLED}) (?!{_LETTER}) | \# ) {_TO}
    (?: (?:number|numero|num|nr|no|n|id|is) (?!{_LETTER}) {_TO} ){{0,2}}
    (?!00[1-9]\d{{7}}) {_LETTER}{{0,4}} \d\w* (?:[/-]\w+)*
"""
_PHONE = re.compile(
    rf"{_NO_PHONE} | {_NAMED} | (?P<phone> [+(]*\d (?:{_BETWEEN}{{0,2}} (?!{_NO_PHONE}) \d){{6,}} )",
    re.VERBOSE | re.IGNORECASE,
)


class PhoneMasking:
    """Of the phone numbers in what was said with one customer. `wa_id`: the customer's own; None: not known."""

    def __init__(self, wa_id: str | None) -> None:
        digits = [str(decimal(char)) for char in wa_id or "" if char.isdecimal()][-_OWN_DIGITS:]
        own = rf"(?P<phone>[+(]*(?:\d{_GAP}){{0,12}}{_GAP.join(digits)}(?!\d))"
        self._patterns = [re.compile(own), _PHONE] if len(digits) == _OWN_DIGITS else [_PHONE]

    def hide(self, text: str) -> str:
        """The text, of each phone number only the last digits."""
        for pattern in self._patterns:
            text = _hidden(pattern, text)
        return text


def _hidden(pattern: re.Pattern[str], text: str) -> str:
    """Digits of every script are found, and those that stay are shown as they were written."""
    plain = text if text.isascii() else re.sub(r"\d", lambda digit: str(decimal(digit[0])), text)
    parts, end = [], 0
    for found in pattern.finditer(plain):
        begin, after = found.span("phone")
        if begin >= 0:
            parts.append(text[end:begin])
            left = sum(char.isdecimal() for char in text[begin:after])
            for char in text[begin:after]:
                if char.isdecimal():
                    parts.append("•" if left > _SHOWN_DIGITS else char)
                    left -= 1
                elif char == "\n":
                    parts.append(char)
            end = after
    return "".join([*parts, text[end:]])
