"""Words and figures in a person's language, times in their zone. The catalogues are gettext's, read as they are
written: there is nothing to compile."""

import gettext
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import phonenumbers
from babel import Locale
from babel.core import negotiate_locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LANGUAGES = {"en": "English", "it": "Italiano"}
"""Code -> the language's own name. English is what the code is written in."""
_LOCALES = Path(__file__).with_name("locale")
_REGIONS = {"en": "en_GB"}
"""How dates are written where the browser says no more: 23 Nov 2026, 18:20."""


def marked(text: str) -> str:
    """The text itself: it is translated where it is shown, and found here by who collects what to translate."""
    return text


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


def spoken(accepted: Iterable[str]) -> str:
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

    @cached_property
    def locale(self) -> Locale:
        return Locale.parse(_REGIONS.get(self.language, self.language))

    def gettext(self, text: str) -> str:
        """Translated."""
        return catalogue(self.language).gettext(text)

    def ngettext(self, one: str, many: str, n: int) -> str:
        """Translated, as it is said of `n`."""
        return catalogue(self.language).ngettext(one, many, n)

    def number(self, n: int) -> str:
        return format_decimal(n, locale=self.locale)

    def moment(self, at: datetime) -> str:
        """Exact, with seconds and the zone's offset: 23 Nov 2026, 18:20:05 +01:00."""
        shown = format_datetime(at, "medium", tzinfo=self.zone, locale=self.locale)
        return f"{shown} {self.local(at).isoformat()[-6:]}"

    def clock(self, at: datetime) -> str:
        return format_time(at, "short", tzinfo=self.zone, locale=self.locale)

    def day(self, at: datetime) -> str:
        return format_date(at.astimezone(self.zone), "full", locale=self.locale)

    def ago(self, at: datetime) -> str:
        """For lists: how long ago, and from a day on when."""
        gone = self.now - at
        if gone < timedelta(minutes=1):
            return self.gettext("just now")
        if gone < timedelta(days=1):
            return format_timedelta(
                -gone, granularity="minute", threshold=1, add_direction=True, format="short", locale=self.locale
            )
        pattern = "d MMM, HH:mm" if gone < timedelta(days=300) else "d MMM y, HH:mm"
        return format_datetime(at, pattern, tzinfo=self.zone, locale=self.locale)

    def left(self, until: datetime) -> str:
        """Of a window: 13 h 40 min."""
        hours, minutes = divmod(max(0, int((until - self.now).total_seconds())) // 60, 60)
        return f"{hours} h {minutes:02} min"

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)


@lru_cache(maxsize=10_000)
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
