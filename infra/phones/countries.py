"""The country of a phone, and its time zone."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import phonenumbers
from babel.languages import get_official_languages

from domain.sending.sends import AddressKind

_USER_ID = re.compile(r"([A-Z]{2})\.")
"""A business-scoped user id begins with the country of its phone."""
_PREFIX = 7
"""Digits by which countries that share a calling code are told apart. Google's rules take tens of microseconds for a
phone; the phones of a country begin with far fewer different prefixes than there are phones."""
_FILLER = "2345678901"
_NOT_A_COUNTRY = "001"
"""Google's region of calling codes that belong to no country, e.g. of satellites."""
_DAYS = tuple(datetime(2025, 1, 15, tzinfo=UTC) + timedelta(days=15 * count) for count in range(24))


def country_of(kind: AddressKind, address: str) -> str:
    """Returns the country (ISO 3166) of a phone in digits, or of a user id; empty: unknown."""
    if kind == "user_id":
        match = _USER_ID.match(address)
        return match[1] if match else ""
    for digits in (1, 2, 3):
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(address[:digits] or 0))
        if regions is not None:
            if len(regions) > 1:
                return _one_of(regions, digits, address[:_PREFIX], len(address))
            return regions[0] if regions[0] != _NOT_A_COUNTRY else ""
    return ""


@lru_cache(maxsize=100_000)
def _one_of(regions: tuple[str, ...], code_digits: int, prefix: str, length: int) -> str:
    """Returns the country of phones with a prefix whose calling code several share; the largest one if the rules know
    no phone like that."""
    whole = (prefix + _FILLER)[:length] if length > len(prefix) else prefix
    try:
        parsed = phonenumbers.parse(f"+{whole}")
    except phonenumbers.NumberParseException:
        return regions[0]
    if code_digits == 1 and prefix.startswith("1"):  # of North America the area code alone decides
        parsed.national_number = int((prefix[1:4] + _FILLER)[:10])
    return phonenumbers.region_code_for_number(parsed) or regions[0]


def countries() -> frozenset[str]:
    """Returns the countries (ISO 3166) that have phones."""
    return frozenset(phonenumbers.SUPPORTED_REGIONS)


@lru_cache(maxsize=500)
def zone_of(country: str) -> str | None:
    """Returns the time zone of a country; None: it has several that differ, or is unknown."""
    zones = _zones().get(country, ())
    clocks = {tuple(day.astimezone(ZoneInfo(zone)).utcoffset() for day in _DAYS) for zone in zones}
    return zones[0] if len(clocks) == 1 else None


@lru_cache(maxsize=1)
def _zones() -> dict[str, tuple[str, ...]]:
    """Returns country -> its time zones, the largest first."""
    found: dict[str, tuple[str, ...]] = {}
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            found[country] = (*found.get(country, ()), zone)
    return found


@lru_cache(maxsize=100)
def calling_codes_of(language: str) -> tuple[str, ...]:
    """Returns the calling codes of the countries where a language (ISO 639, also with a region) is an official one; of
    several that share a code, the largest counts."""
    wanted = re.split("[-_]", language.lower())[0]
    return tuple(
        str(code)
        for code, regions in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items())
        if wanted in get_official_languages(regions[0], de_facto=True)
    )
