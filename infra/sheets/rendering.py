"""Cells that are no texts, as people write them in a template's language; and languages by their names."""

from datetime import date, datetime, time, timedelta
from functools import cache
from math import isfinite

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.localedata import locale_identifiers
from babel.numbers import get_decimal_symbol

from domain.campaigns.files.cells import CellError, FileCell

_ENGLISH = Locale("en")
_NAMES_IN = ("en", "it")
_NAMED_BY_THEMSELVES = ("ar", "de", "el", "es", "fr", "nl", "pl", "pt", "ro", "ru", "sq", "sv", "tr", "uk", "zh")
"""Languages that may also be named in themselves. Each takes about 10 ms to load."""
_EXACT_DIGITS = 15
"""A spreadsheet program knows no more digits of a number; the rest is rounding."""
_EXACT_BELOW = 10**_EXACT_DIGITS


class CellTexts:
    """Writes cells in a language, e.g. `it` or `pt_BR`. A date is written with the name of its month (30 November 2026,
    30 novembre 2026): where 3/4 is in March and where in April differs. The clock follows, if the cell has one. Numbers
    have no separators of thousands, because many are numbers of orders."""

    def __init__(self, language: str) -> None:
        self._locale = locale_of(language)
        self._point = get_decimal_symbol(self._locale)

    def __call__(self, cell: FileCell) -> str:
        """Returns the text of a cell; empty for an empty one, and for an error."""
        match cell:
            case None | CellError():
                return ""
            case str():
                return cell
            case bool():
                return "TRUE" if cell else "FALSE"
            case int() | float():
                return self._number(cell)
            case datetime():
                day = format_date(cell, "long", self._locale)
                return f"{day} {self._clock(cell.time())}" if cell.time() != time() else day
            case date():
                return format_date(cell, "long", self._locale)
            case time():
                return self._clock(cell)
            case timedelta():
                minutes = round(cell / timedelta(minutes=1))
                return f"{minutes // 60}:{minutes % 60:02}"

    def _number(self, number: float) -> str:
        if not isfinite(number):
            return str(number)
        if number == int(number) and (isinstance(number, int) or abs(number) < _EXACT_BELOW):
            return str(int(number))
        return f"{number:.{_EXACT_DIGITS}G}".replace(".", self._point)

    def _clock(self, clock: time) -> str:
        return format_time(clock, "short", locale=self._locale).replace("\u202f", " ")


def cell_text(cell: FileCell, language: str) -> str:
    """Returns the text of a cell in a language."""
    return _texts(language)(cell)


@cache
def _texts(language: str) -> CellTexts:
    return CellTexts(language)


@cache
def locale_of(language: str) -> Locale:
    """Returns the locale of a language of Meta's templates; English for one that is not known."""
    try:
        return Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return _ENGLISH


def language_named(text: str) -> str | None:
    """Returns the code of a language, as Meta writes it, by its code (`it`, `pt-BR`) or by its name in English or
    Italian, and some in themselves (Italian, italiano, Deutsch); None: it is neither."""
    return _languages().get(text.strip().lower().replace("-", "_"))


@cache
def _languages() -> dict[str, str]:
    codes = {code for code in locale_identifiers() if len(code) in (2, 3, 5, 6) and code.count("_") <= 1}
    found: dict[str, str] = {}
    plain = [code for code in sorted(codes) if "_" not in code]
    for shown_in in _NAMES_IN:
        names = Locale(shown_in).languages
        found |= {names[code].lower(): code for code in plain if code in names}
    for code in _NAMED_BY_THEMSELVES:
        if own := Locale(code).get_language_name():
            found.setdefault(own.lower(), code)
    return found | {code.lower(): code for code in codes}
