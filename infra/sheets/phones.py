"""Phones of all countries, by Google's rules (phonenumberslite)."""

from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat

from domain.campaigns.files.addresses import NationalPhone
from domain.phone_numbers import phone_as_written

_TELLING = 8
_MOST_KINDS = 100_000


class GoogleNumberingPlan:
    """The `NumberingPlan` of phones without a country code in `country` (ISO 3166); None: there are none."""

    def __init__(self, country: str | None) -> None:
        self._country = country if country in phonenumbers.SUPPORTED_REGIONS else None
        self._possible: dict[tuple[str, int], bool] = {}

    @property
    def has_country(self) -> bool:
        return self._country is not None

    def is_possible(self, digits: str) -> bool:
        """Returns whether digits with a country code have a length that the country has."""
        # the length decides, after the country's own prefixes: the first digits tell both, and asking about each of a
        # million phones took half a minute
        kind = digits[:_TELLING], len(digits)
        known = self._possible.get(kind)
        if known is None:
            number = _parsed(digits)
            known = number is not None and phonenumbers.is_possible_number(number)
            if len(self._possible) < _MOST_KINDS:
                self._possible[kind] = known
        return known

    def is_valid(self, digits: str) -> bool:
        """Returns whether such a number is known to exist."""
        number = _parsed(digits)
        return number is not None and phonenumbers.is_valid_number(number)

    def national(self, digits: str) -> NationalPhone | None:
        """Returns a national number with the country code; None: it is not possible there, or no country is set."""
        if self._country is None:
            return None
        try:
            number = phonenumbers.parse(digits, self._country)
        except NumberParseException:
            return None
        if not phonenumbers.is_possible_number(number):
            return None
        whole = phonenumbers.format_number(number, PhoneNumberFormat.E164).removeprefix("+")
        return NationalPhone(whole, phonenumbers.is_valid_number(number))


@lru_cache(maxsize=256)
def country_of(phone: str) -> str | None:
    """Returns the country (ISO 3166) of a phone with a country code in any spelling, e.g. of a business number; None:
    not known."""
    written = phone_as_written(phone)
    number = _parsed(written.digits) if written is not None else None
    if number is None:
        return None
    return phonenumbers.region_code_for_number(number) or _main_country(number)


def _main_country(number: PhoneNumber) -> str | None:
    """Returns the country of a number that does not exist, such as those that Meta gives for tests."""
    country = phonenumbers.region_code_for_country_code(number.country_code or 0)
    return None if country in ("ZZ", "001") else country


def _parsed(digits: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(f"+{digits}")
    except NumberParseException:
        return None
