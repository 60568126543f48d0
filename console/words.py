"""Texts and numbers in a person's language, and times in their time zone. The gettext catalogues are read from their
.po files, so there is no build step."""

import gettext
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from unicodedata import combining, normalize
from zoneinfo import ZoneInfo

import phonenumbers
from babel import Locale
from babel.core import negotiate_locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal

LANGUAGES = {"en": "English", "it": "Italiano"}
"""Language code -> the language's own name. English is the language of the source texts."""
_LOCALES = Path(__file__).with_name("locale")
_REGIONS = {"en": "en_GB"}
"""The locale that formats dates of a language, e.g. 23 Nov 2026, 18:20."""

_PHONES = 10_000
"""Formatted phone numbers that are cached (`console.table.snapshot_cache`)."""
_NUMBERS = 10_000
"""Written numbers that are cached."""


@lru_cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The translations into one of `LANGUAGES`."""
    if language == "en":
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    with (_LOCALES / language / "LC_MESSAGES" / "console.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def negotiate_language(accepted: Iterable[str]) -> str:
    """The best of our languages for a browser's Accept-Language, e.g. `it` for `it-CH`."""
    wanted = [tag.replace("-", "_") for tag in accepted]
    return negotiate_locale(wanted, list(LANGUAGES), aliases={}) or "en"


def zone(name: str | None) -> ZoneInfo | None:
    """The time zone of this name; None if it does not exist."""
    if not name or len(name) > 64:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown, a directory, or a path outside of the database
        return None


@dataclass(frozen=True)
class Words:
    """The language and time zone of one page. `now`: the time that the page shows, aware UTC."""

    language: str
    zone: ZoneInfo
    now: datetime

    @property
    def locale(self) -> Locale:
        return _locale(self.language)

    def gettext(self, text: str) -> str:
        """The text, translated."""
        return catalogue(self.language).gettext(text)

    def ngettext(self, one: str, many: str, n: int) -> str:
        """The text in the plural form for `n`, translated."""
        return catalogue(self.language).ngettext(one, many, n)

    def number(self, n: int) -> str:
        return _decimal(n, None, self.language)

    def percent(self, part: int, whole: int) -> str:
        """A share, e.g. 9 %; below 2 % with a digit more, as a whole per cent would say little there."""
        share = 100 * part / whole if whole else 0.0
        return f"{_decimal(share, '#,##0.#' if share < 2 else '#,##0', self.language)}\u202f%"

    def size(self, n: int) -> str:
        """The size of a file, e.g. 1.4 MB; less than a kilobyte is one."""
        if n < 999_500:
            return f"{format_decimal(max(1, round(n / 1000)), locale=self.locale)} kB"
        return f"{format_decimal(n / 1_000_000, '#,##0.#', locale=self.locale)} MB"

    def money(self, amount: Decimal, currency: str) -> str:
        """An amount in a currency of ISO 4217, e.g. €19.90; of an unknown one with its code."""
        return format_currency(amount, currency[:8], locale=self.locale)

    def moment(self, at: datetime) -> str:
        """An exact time with seconds and UTC offset: 23 Nov 2026, 18:20:05 +01:00."""
        shown = format_datetime(at, "medium", tzinfo=self.zone, locale=self.locale)
        return f"{shown} {self.local(at).isoformat()[-6:]}"

    def clock(self, at: datetime) -> str:
        return format_time(at, "short", tzinfo=self.zone, locale=self.locale)

    def day(self, at: datetime) -> str:
        return format_date(at.astimezone(self.zone), "full", locale=self.locale)

    def short_day(self, weekday: int) -> str:
        """The short name of a weekday, e.g. Mon; 0: Monday."""
        return str(self.locale.days["format"]["abbreviated"][weekday])

    def day_and_clock(self, at: datetime) -> str:
        """A time of these days: Mon 18:20; further away 23 Nov, 18:20."""
        pattern = "EEE HH:mm" if abs(at - self.now) < timedelta(days=6) else "d MMM, HH:mm"
        return format_datetime(at, pattern, tzinfo=self.zone, locale=self.locale)

    def ago(self, at: datetime) -> str:
        """The age of a message, for lists; from one day on, its date and time."""
        gone = self.now - at
        if gone < timedelta(minutes=1):
            return self.gettext("just now")
        if gone < timedelta(days=1):
            return format_timedelta(
                -(gone // timedelta(minutes=1) * timedelta(minutes=1)),
                granularity="minute",
                threshold=1,
                add_direction=True,
                format="short",
                locale=self.locale,
            )
        pattern = "d MMM, HH:mm" if gone < timedelta(days=300) else "d MMM y, HH:mm"
        return format_datetime(at, pattern, tzinfo=self.zone, locale=self.locale)

    def left(self, until: datetime) -> str:
        """The time until a window ends, e.g. 13 h 40 min, in its last minute 42 s; never negative."""
        seconds = max(0, int((until - self.now).total_seconds()))
        if 0 < seconds < 60:
            return self.seconds_left_pattern.replace("{seconds}", str(seconds))
        hours, minutes = divmod(seconds // 60, 60)
        return self.time_left_pattern.replace("{hours}", str(hours)).replace("{minutes}", f"{minutes:02}")

    @property
    def time_left_pattern(self) -> str:
        """How `left` is written, with {hours} and {minutes}; the page's script counts down with it."""
        return self.gettext("{hours} h {minutes} min")

    @property
    def seconds_left_pattern(self) -> str:
        """How `left` is written in the last minute, with {seconds}."""
        return self.gettext("{seconds} s")

    def by_plural_category(self, text: Callable[[int], str]) -> dict[str, str]:
        """The text for each plural category of the language, as JavaScript's Intl.PluralRules names them (`one`, `few`,
        `other`, ...). `text` returns it for a number."""
        return {category: text(n) for category, n in _plural_categories(self.language).items()}

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)


@lru_cache
def _locale(language: str) -> Locale:
    return Locale.parse(_REGIONS.get(language, language))


@lru_cache
def _plural_categories(language: str) -> Mapping[str, int]:
    """Category -> a number of it, looked for below 200."""
    locale = _locale(language)
    return {locale.plural_form(n): n for n in reversed(range(200))}


@lru_cache(_NUMBERS)
def _decimal(n: float, pattern: str | None, language: str) -> str:
    # Babel takes 50 us to write a number, and a page of numbers has hundreds, most of them the same as before
    return format_decimal(n, pattern, locale=_locale(language))


@lru_cache(_PHONES)
def phone(wa_id: str) -> str:
    """A phone in international format, e.g. +39 300 555 0101; anything else unchanged."""
    try:
        parsed = phonenumbers.parse(f"+{wa_id}")
    except phonenumbers.NumberParseException:
        return wa_id
    if not phonenumbers.is_possible_number(parsed):
        return f"+{wa_id}"
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def zones(language: str) -> dict[str, str]:
    """The time zones that a person can choose: name -> the city in this language, e.g. Europe/Rome -> Roma."""
    cities = _locale(language).time_zones
    return {name: cities.get(name, {}).get("city") or _place(name) for name in _zone_names()}


def zone_meant(typed: str) -> ZoneInfo | None:
    """The time zone with this name, or of this city in one of our languages; None if there is none."""
    return zone(typed) or zone(_zones_of_cities().get(folded(typed)))


@cache
def _zone_names() -> list[str]:
    from zoneinfo import available_timezones

    return sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "System")))


@cache
def _zones_of_cities() -> dict[str, str]:
    found = {folded(_place(name)): name for name in reversed(_zone_names())}
    for language in LANGUAGES:
        found |= {folded(city): name for name, city in reversed(zones(language).items())}
    return found


def _place(name: str) -> str:
    return name.rpartition("/")[2].replace("_", " ")


def folded(text: str) -> str:
    """The text without accents, case and blanks around it: as people compare names."""
    return "".join(char for char in normalize("NFKD", text.casefold().strip()) if not combining(char))


UTC_ZONE = ZoneInfo("UTC")
