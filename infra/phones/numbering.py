"""Phones as people write them, read by Google's rules for all countries (phonenumberslite)."""

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat

from domain.campaigns.files.addresses import NationalPhone
from domain.phone_numbers import phone_as_written
from infra.phones.countries import country_of

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


def country_of_number(phone: str) -> str | None:
    """Returns the country (ISO 3166) of a phone with a country code in any spelling, e.g. of a business number; None:
    not known. Numbers that do not exist have one too, such as those that Meta gives for tests."""
    written = phone_as_written(phone)
    return country_of("phone", written.digits) or None if written is not None else None


def _parsed(digits: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(f"+{digits}")
    except NumberParseException:
        return None
