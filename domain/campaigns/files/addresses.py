"""Whom a cell of a file names: a phone, as people and spreadsheet programs write it, or a user id (docs/design/
campaigns.md, *Rows*)."""

import re
from datetime import date, time, timedelta
from typing import NamedTuple, Protocol

from domain.campaigns.files.cells import CellError, FileCell
from domain.campaigns.recipients import RowProblem
from domain.phone_numbers import phone_as_written, phone_key
from domain.sending.sends import AddressKind

_EXPONENT = re.compile(r"\s*[+-]?[0-9]+(?:[.,][0-9]+)?\s*[eE]\s*\+?\s*[0-9]{1,3}\s*")
"""What a spreadsheet program makes of a long number in a narrow column: its last digits are lost."""
_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{6,128}")
_DATE = re.compile(
    r"[0-9]{4}([-./])[0-9]{1,2}\1[0-9]{1,2}(?![0-9])|[0-9]{1,2}([-./])[0-9]{1,2}\2[0-9]{2,4}(?![-./0-9])"
)
_BEGINNING = re.compile(r"\+?(?:[ ()./-]?[0-9]){7,}")
"""Of a text that begins with a phone, e.g. of one with an extension."""
_EXACT = 10**15
"""From here on a spreadsheet program replaces digits by zeros."""
_SHORTEST, _LONGEST = 7, 15
"""Digits of what can be a phone with an area code."""
_SMALLEST = 1_000_000
_WITH_COUNTRY = 11
"""So many digits hardly any national number has that is not known to exist."""


class NationalPhone(NamedTuple):
    """A phone written without its country code. `digits`: with it; `is_valid`: whether a number of that kind exists."""

    digits: str
    is_valid: bool


class NumberingPlan(Protocol):
    """What is known about the phones of all countries, and the country of those without a country code."""

    def is_possible(self, digits: str) -> bool:
        """Returns whether digits with a country code have a length that the country has."""
        ...

    def is_valid(self, digits: str) -> bool:
        """Returns whether such a number is known to exist."""
        ...

    def national(self, digits: str) -> NationalPhone | None:
        """Returns a national number with the country code; None: it is not possible there, or no country is set."""
        ...

    @property
    def has_country(self) -> bool: ...


class ReadAddress(NamedTuple):
    """Whom a row names. `key`: the same for national variants of a phone."""

    address: str
    kind: AddressKind
    key: str


def read_address(cell: FileCell, plan: NumberingPlan) -> ReadAddress | RowProblem:
    """Returns whom a cell names, or what is wrong with it.

    A number without `+` or `00` may be national or have a country code. It is what exists: a national number, or one
    with a country code; if neither is known to exist, one of a possible length."""
    match cell:
        case None:
            return "phone_missing"
        case CellError():
            return "cell_error"
        case bool():
            return "phone_invalid"
        case int() | float():
            return _from_number(cell, plan)
        case date() | time() | timedelta():
            return "phone_is_a_number"
        case str():
            return _from_text(cell, plan)


def looks_like_somebody(cell: FileCell) -> bool:
    """Returns whether a cell stands for a customer, as good or bad as it is written: headings and titles have no such
    cells, but dates and small numbers."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return cell >= _SMALLEST
    if not isinstance(cell, str):
        return False
    text = cell.strip()
    if _EXPONENT.fullmatch(text) or _USER_ID.fullmatch(text):
        return True
    if not any(char.isdecimal() for char in text) or _DATE.match(text):
        return False
    phone = phone_as_written(text)
    digits = len(phone.digits) if phone is not None else len(found[0]) if (found := _BEGINNING.match(text)) else 0
    return digits >= _SHORTEST


def _from_text(text: str, plan: NumberingPlan) -> ReadAddress | RowProblem:
    text = text.strip()
    if not text:
        return "phone_missing"
    if _USER_ID.fullmatch(text):
        return ReadAddress(text, "user_id", text)
    if _EXPONENT.fullmatch(text):
        return "phone_is_a_number"
    written = phone_as_written(text)
    if written is None:
        return "phone_invalid"
    if written.is_international:
        return _international(written.digits, plan)
    existing = _existing(written.digits, plan)
    return _phone(existing) if existing is not None else _possible(written.digits, plan)


def _from_number(number: float, plan: NumberingPlan) -> ReadAddress | RowProblem:
    """A number has no zeros before it any more, and beyond fifteen digits not its own digits."""
    if not 0 < number < _EXACT or number != int(number):
        return "phone_is_a_number"
    digits = str(int(number))
    existing = _existing(digits, plan)
    if existing is None:
        restored = plan.national(f"0{digits}")
        existing = restored.digits if restored is not None and restored.is_valid else None
    return _phone(existing) if existing is not None else _possible(digits, plan)


def _existing(digits: str, plan: NumberingPlan) -> str | None:
    """Returns the number that is known to exist, national or with its country code."""
    national = plan.national(digits)
    if national is not None and national.is_valid:
        return national.digits
    return digits if not digits.startswith("0") and plan.is_valid(phone_key(digits)) else None


def _possible(digits: str, plan: NumberingPlan) -> ReadAddress | RowProblem:
    """Returns a number that is not known to exist, as new ones are: long ones have their country code."""
    if len(digits) >= _WITH_COUNTRY and not digits.startswith("0"):
        found = _international(digits, plan)
        if isinstance(found, ReadAddress):
            return found
    national = plan.national(digits)
    if national is not None:
        return _phone(national.digits)
    if plan.has_country:
        return "phone_invalid" if digits.startswith("0") else _international(digits, plan)
    return "phone_without_country" if _SHORTEST <= len(digits) <= _LONGEST else "phone_invalid"


def _international(digits: str, plan: NumberingPlan) -> ReadAddress | RowProblem:
    # the plan of Mexico knows no 1 of mobiles any more, but people and Meta still write it
    return _phone(digits) if plan.is_possible(digits) or plan.is_possible(phone_key(digits)) else "phone_invalid"


def _phone(digits: str) -> ReadAddress:
    return ReadAddress(digits, "phone", phone_key(digits))
