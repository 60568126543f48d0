"""Words and figures in a person's language, times in their zone. The catalogues are gettext's, read as they are
written: there is nothing to compile."""

import gettext
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import phonenumbers
from babel import Locale
from babel.core import negotiate_locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from markupsafe import Markup

LANGUAGES = {"en": "English", "it": "Italiano"}
"""Code -> the language's own name. English is what the code is written in."""
_LOCALES = Path(__file__).with_name("locale")
_REGIONS = {"en": "en_GB"}
"""How dates are written where the browser says no more: 23 Nov 2026, 18:20."""


_KEPT = 10_000
"""Times as they are written are kept: what everybody's lists show at a time is written once."""


@lru_cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The translations into a language of `LANGUAGES`."""
    if language == "en":
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    with (_LOCALES / language / "LC_MESSAGES" / "console.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@lru_cache(_KEPT)
def safe(language: str, text: str) -> Markup:
    """A text of ours, translated, as it stands in a page: what it is filled with is escaped."""
    return Markup(_translated(language, text))  # noqa: S704 - of our own catalogues


@lru_cache(_KEPT)
def _translated(language: str, text: str) -> str:
    return catalogue(language).gettext(text)


def negotiate_language(accepted: Iterable[str]) -> str:
    """The language of ours that a browser likes best, as `it` of `it-CH`."""
    wanted = [tag.replace("-", "_") for tag in accepted]
    return negotiate_locale(wanted, list(LANGUAGES), aliases={}) or "en"


def zone(name: str | None) -> ZoneInfo | None:
    """The zone of this name, if there is one."""
    if not name or len(name) > 64:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # not found, a folder, or a path that leads elsewhere
        return None


@dataclass(frozen=True)
class Words:
    """How one page speaks. `now`: of this page, aware UTC."""

    language: str
    zone: ZoneInfo
    now: datetime

    @property
    def locale(self) -> Locale:
        return _locale(self.language)

    def gettext(self, text: str) -> str:
        """Translated."""
        return _translated(self.language, text)

    def ngettext(self, one: str, many: str, n: int) -> str:
        """Translated, as it is said of `n`."""
        return catalogue(self.language).ngettext(one, many, n)

    def number(self, n: int) -> str:
        return _number(n, self.language)

    def moment(self, at: datetime) -> str:
        """Exact, with seconds and the zone's offset: 23 Nov 2026, 18:20:05 +01:00."""
        return _moment(at, self.zone, self.language)

    def clock(self, at: datetime) -> str:
        return _clock(at, self.zone, self.language)

    def day(self, at: datetime) -> str:
        return format_date(at.astimezone(self.zone), "full", locale=self.locale)

    def ago(self, at: datetime) -> str:
        """For lists: how long ago, and from a day on when."""
        gone = self.now - at
        if gone < timedelta(minutes=1):
            return self.gettext("just now")
        if gone < timedelta(days=1):
            return _minutes_ago(gone // timedelta(minutes=1), self.language)
        return _when(at, "d MMM, HH:mm" if gone < timedelta(days=300) else "d MMM y, HH:mm", self.zone, self.language)

    def left(self, until: datetime) -> str:
        """Of a window: 13 h 40 min."""
        hours, minutes = divmod(max(0, int((until - self.now).total_seconds())) // 60, 60)
        return f"{hours} h {minutes:02} min"

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)


@lru_cache
def _locale(language: str) -> Locale:
    return Locale.parse(_REGIONS.get(language, language))


@lru_cache(_KEPT)
def _number(n: int, language: str) -> str:
    return format_decimal(n, locale=_locale(language))


@lru_cache(_KEPT)
def _moment(at: datetime, zone: ZoneInfo, language: str) -> str:
    shown = format_datetime(at, "medium", tzinfo=zone, locale=_locale(language))
    return f"{shown} {at.astimezone(zone).isoformat()[-6:]}"


@lru_cache(_KEPT)
def _clock(at: datetime, zone: ZoneInfo, language: str) -> str:
    return format_time(at, "short", tzinfo=zone, locale=_locale(language))


@lru_cache(_KEPT)
def _when(at: datetime, pattern: str, zone: ZoneInfo, language: str) -> str:
    return format_datetime(at, pattern, tzinfo=zone, locale=_locale(language))


@lru_cache(_KEPT)
def _minutes_ago(minutes: int, language: str) -> str:
    gone = timedelta(minutes=minutes)
    return format_timedelta(
        -gone, granularity="minute", threshold=1, add_direction=True, format="short", locale=_locale(language)
    )


@lru_cache(_KEPT)
def phone(wa_id: str) -> str:
    """A phone as people write it, +39 300 555 0101; anything else as it is."""
    try:
        parsed = phonenumbers.parse(f"+{wa_id}")
    except phonenumbers.NumberParseException:
        return wa_id
    if not phonenumbers.is_possible_number(parsed):
        return f"+{wa_id}"
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def zones() -> list[str]:
    """Names of the zones that a person can choose."""
    from zoneinfo import available_timezones

    return sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "System")))


UTC_ZONE = ZoneInfo("UTC")
