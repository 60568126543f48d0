"""Which column of a file is what, guessed from headings and content. A person sees the guess and changes it."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple
from unicodedata import combining, normalize

from domain.campaigns.files.addresses import looks_like_somebody
from domain.campaigns.files.cells import CellError, FileCell, is_empty_row
from domain.campaigns.files.rows import zone_named

HEADINGS_WITHIN = 40
"""So many rows, that are not empty, are looked at."""

_PHONE = (
    "phone, phone number, telephone, telephone number, tel, mobile, mobile phone, mobile number, cell, cell phone, "
    "cellphone, whatsapp, whatsapp number, wa id, msisdn, number, contact number, recipient, "
    "telefono, numero di telefono, numero telefono, tel, cellulare, numero cellulare, numero di cellulare, cell, "
    "numero, numero whatsapp, recapito, recapito telefonico, destinatario"
)
_NAME = (
    "name, full name, first name, given name, customer, customer name, client, contact, contact name, display name, "
    "nome, nome completo, nome e cognome, nominativo, cliente, nome cliente, contatto, ragione sociale"
)
_LANGUAGE = "language, lang, locale, lingua, idioma"
_ZONE = "time zone, timezone, zone, tz, fuso orario, fuso, zona oraria"


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(","))


_KNOWN: Mapping[str, frozenset[str]] = {
    "phone": _words(_PHONE),
    "name": _words(_NAME),
    "language": _words(_LANGUAGE),
    "zone": _words(_ZONE),
}
_SHARE = 0.6
"""A column is what so many of its cells are."""
_PARAMETER = re.compile(r"(?:variable|parameter|param|var|variabile|parametro)?\s*(\w+)", re.ASCII)
_NOT_WORDS = re.compile(r"[^\w]+")


class ColumnGuess(NamedTuple):
    """Which column is what, from 0; None: no column is."""

    phone: int | None = None
    name: int | None = None
    language: int | None = None
    zone: int | None = None


def heading_row(rows: Sequence[Sequence[FileCell]]) -> int | None:
    """Returns the place of the headings among the first rows that are not empty: the row above the customers, all of
    it texts, that has the most known words, else the most cells. None: there is none.

    What stands above headings is left out, so where it could be customers, headings need a known word: below a row that
    has more than texts, and if no row is seen to be a customer's."""
    best: tuple[tuple[int, int], int] | None = None
    looked_at = rows[:HEADINGS_WITHIN]
    customers = next((n for n, cells in enumerate(looked_at) if any(map(looks_like_somebody, cells))), None)
    needs_known = False
    for place, cells in enumerate(looked_at[:customers]):
        if any(_is_value(cell) for cell in cells):
            needs_known = True
            continue
        filled = [_folded(cell) for cell in cells if isinstance(cell, str) and cell.strip()]
        known = sum(any(text in words for words in _KNOWN.values()) for text in filled)
        rank = (known, len(filled))
        if not known and (needs_known or (place and customers is None)):
            continue
        if best is None or rank > best[0]:
            best = rank, place
    return best[1] if best is not None else None


def _is_value(cell: FileCell) -> bool:
    """Returns whether a cell cannot be a heading."""
    return cell is not None and not isinstance(cell, str | CellError)


def guess_columns(
    headings: Sequence[str], rows: Iterable[Sequence[FileCell]], is_language: Callable[[str], bool]
) -> ColumnGuess:
    """Returns which column is what. Headings in English or Italian count before the content; among several columns
    with fitting headings, the one with fitting content."""
    columns = _columns(len(headings), rows)
    phones = [_share(cells, _is_phone) for cells in columns]
    zones = [
        _share(cells, lambda cell: isinstance(cell, str) and zone_named(cell.strip()) is not None) for cells in columns
    ]
    languages = [_share(cells, lambda cell: isinstance(cell, str) and is_language(cell.strip())) for cells in columns]
    named = [_named_by(heading) for heading in headings]
    phone = _best(named, "phone", phones, by_content=True)
    taken = {phone}
    zone = _best(named, "zone", zones, by_content=True, without=taken)
    language = _best(named, "language", languages, by_content=True, without=taken | {zone})
    letters = [_share(cells, lambda cell: isinstance(cell, str) and not _is_phone(cell)) for cells in columns]
    name = _best(named, "name", letters, by_content=False, without=taken | {zone, language})
    return ColumnGuess(phone, name, language, zone)


def guess_parameters(headings: Sequence[str], guess: ColumnGuess, variables: Sequence[str]) -> dict[str, int]:
    """Returns variable of a template -> column: the one whose heading names it (`order`, `{{1}}`, `1`, `Variable 1`),
    or, if no heading names any and there are as many columns as variables besides phone, language and time zone, these
    in their order."""
    found: dict[str, int] = {}
    folded = [_folded(heading) for heading in headings]
    for variable in variables:
        wanted = _folded(variable)
        for place, heading in enumerate(folded):
            match = _PARAMETER.fullmatch(heading)
            if heading and (heading == wanted or (match is not None and match[1] == wanted)):
                found[variable] = place
                break
    others = [place for place in range(len(headings)) if place not in (guess.phone, guess.language, guess.zone)]
    if not found and len(others) == len(variables):
        return dict(zip(variables, others, strict=True))
    if "name" in variables and "name" not in found and guess.name is not None:
        found["name"] = guess.name
    return found


def _folded(text: str) -> str:
    """Returns a heading without case, accents and punctuation."""
    plain = "".join(char for char in normalize("NFKD", text) if not combining(char))
    return " ".join(_NOT_WORDS.sub(" ", plain.replace("_", " ")).lower().split())


def _named_by(heading: str) -> str | None:
    folded = _folded(heading)
    for kind, words in _KNOWN.items():
        if folded in words:
            return kind
    first = folded.split(" ", 1)[0]
    return next((kind for kind, words in _KNOWN.items() if first in words and first != "number"), None)


def _columns(width: int, rows: Iterable[Sequence[FileCell]]) -> list[list[FileCell]]:
    columns: list[list[FileCell]] = [[] for _ in range(width)]
    for cells in rows:
        if is_empty_row(cells):
            continue
        for place, cell in enumerate(cells[:width]):
            if cell is not None and cell != "":
                columns[place].append(cell)
    return columns


def _share(cells: Sequence[FileCell], fits: Callable[[FileCell], bool]) -> float:
    return sum(map(fits, cells)) / len(cells) if cells else 0.0


def _is_phone(cell: FileCell) -> bool:
    if isinstance(cell, bool):
        return False
    if isinstance(cell, int | float):
        return 10**7 <= cell < 10**15 and cell == int(cell)
    return looks_like_somebody(cell)


def _best(
    named: Sequence[str | None],
    kind: str,
    shares: Sequence[float],
    *,
    by_content: bool,
    without: Iterable[int | None] = (),
) -> int | None:
    excluded = set(without)
    candidates = [place for place in range(len(named)) if place not in excluded]
    headed = [place for place in candidates if named[place] == kind]
    if not headed and by_content:
        headed = [place for place in candidates if shares[place] >= _SHARE and named[place] is None]
    return max(headed, key=lambda place: (shares[place], -place), default=None)
