"""The rows of a file: whom each names, with which parameters, and all that is wrong with it (docs/design/campaigns.md,
*Rows*). The same rules make the preview that people see, and the recipients."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple
from zoneinfo import available_timezones

from domain.campaigns.content import HEADER, variables_of
from domain.campaigns.files.addresses import NumberingPlan, ReadAddress, read_address
from domain.campaigns.files.cells import CellError, FileCell
from domain.campaigns.recipients import RowProblem
from domain.command_bodies.campaigns import ColumnMapping
from domain.messages.outgoing import MAX_PARAMETER
from domain.outside_names import INVISIBLE
from domain.sending.templates import MAX_RENDERED_BODY, Template

MAX_NAME = 200
"""Longest name of a recipient, in characters; the rest is cut off."""
MAX_SHOWN = 200
"""So many characters of a value with a problem are kept."""

_BREAK = re.compile(r"[\n\r\t\v\f\x85\u2028\u2029]")
_SPACES = " " * 5
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}", re.ASCII)
_MEDIA = ("image", "video", "document")


class FoundProblem(NamedTuple):
    """Something that is wrong with a row. `place`: of the column, from 0; `value`: what stands there."""

    place: int
    problem: RowProblem
    value: str


class CheckedRow(NamedTuple):
    """A row as a recipient. `address`: None if it could not be read; `parameters`: variable -> value; `problems`: all
    of them, the most important one first."""

    address: ReadAddress | None
    name: str | None
    language: str | None
    zone: str | None
    parameters: Mapping[str, str]
    problems: Sequence[FoundProblem]


class CellReading(NamedTuple):
    """How cells are understood. `plan`: of phones; `text`: a cell as people write it in a language; `language`: the
    code of a language by its code or name, None if it is neither."""

    plan: NumberingPlan
    text: Callable[[FileCell, str], str]
    language: Callable[[str], str | None]


class RowRules:
    """What is expected of the rows of a file, for these templates: a person gets one of them, so all must fit."""

    def __init__(
        self,
        mapping: ColumnMapping,
        templates: Sequence[Template],
        reading: CellReading,
        width: int | None = None,
    ) -> None:
        """`width`: how many columns a text file has, by its headings: a row with more has an unquoted delimiter, and
        what stands behind that is in the wrong columns."""
        self._mapping = mapping
        self._width = width
        self._reading = reading
        self._needed = {name: mapping.parameters.get(name) for each in templates for name in variables_of(each)}
        self._files = {HEADER} if any(each.header_kind in _MEDIA for each in templates) else set()
        self._bodies = [(len(_VARIABLE.sub("", each.body)), _VARIABLE.findall(each.body)) for each in templates]
        self._languages = [each.language for each in templates]
        self._line_breaks_become_spaces = mapping.line_breaks == "space"

    def check(self, cells: Sequence[FileCell]) -> CheckedRow:
        """Returns a row as a recipient, with all that is wrong with it."""
        problems = self._surplus(cells)
        mapping = self._mapping
        read = read_address(_cell(cells, mapping.phone), self._reading.plan)
        if isinstance(read, str):
            problems.append(FoundProblem(mapping.phone, read, self._shown(_cell(cells, mapping.phone))))
        last: list[FoundProblem] = []
        zone = self._named(cells, mapping.zone, zone_named, "zone_unknown", last)
        language = self._named(cells, mapping.language, self._template_language, "language_unknown", last)
        parameters = self._parameters(cells, language or self._languages[0], problems)
        problems += last
        name = self._text(_cell(cells, mapping.name)) if mapping.name is not None else ""
        return CheckedRow(
            address=None if isinstance(read, str) else read,
            name=_on_one_line(name)[:MAX_NAME] or None,
            language=language,
            zone=zone,
            parameters=parameters,
            problems=problems,
        )

    def _surplus(self, cells: Sequence[FileCell]) -> list[FoundProblem]:
        if self._width is None or len(cells) <= self._width:
            return []
        surplus = ((place, self._shown(cell)) for place, cell in enumerate(cells) if place >= (self._width or 0))
        return [FoundProblem(place, "too_many_cells", text) for place, text in surplus if text][:1]

    def _template_language(self, text: str) -> str | None:
        """Returns the language of the templates that a text names: this one, or else one of another region."""
        named = self._reading.language(text)
        if named is None or named in self._languages:
            return named
        plain = named.split("_")[0]
        return next((each for each in self._languages if each.split("_")[0] == plain), None)

    def _parameters(self, cells: Sequence[FileCell], language: str, problems: list[FoundProblem]) -> dict[str, str]:
        found: dict[str, str] = {}
        for variable, place in self._needed.items():
            cell = _cell(cells, place) if place is not None and variable not in self._files else None
            if isinstance(cell, CellError):
                problems.append(FoundProblem(place or 0, "cell_error", cell.text))
                continue
            text = self._text(cell, language) or self._mapping.values.get(variable, "").strip()
            if self._line_breaks_become_spaces:
                text = _on_one_line(text)
            problem = _problem_of(text)
            if problem is not None:
                at = place if place is not None else self._mapping.phone
                problems.append(FoundProblem(at, problem, text[:MAX_SHOWN]))
            else:
                found[variable] = text
        if len(found) == len(self._needed) and (longest := self._too_long(found)) is not None:
            place = self._needed[longest]
            at = place if place is not None else self._mapping.phone
            problems.append(FoundProblem(at, "parameter_too_long", found[longest][:MAX_SHOWN]))
        return found

    def _too_long(self, parameters: Mapping[str, str]) -> str | None:
        """Returns the longest parameter of a body that is too long with its parameters."""
        for fixed, used in self._bodies:
            if used and fixed + sum(len(parameters[name]) for name in used) > MAX_RENDERED_BODY:
                return max((self._needed[name] is not None, len(parameters[name]), str(name)) for name in used)[2]
        return None

    def _named(
        self,
        cells: Sequence[FileCell],
        place: int | None,
        known: Callable[[str], str | None],
        problem: RowProblem,
        problems: list[FoundProblem],
    ) -> str | None:
        """Returns what a cell names; an empty one names nothing."""
        cell = _cell(cells, place) if place is not None else None
        if place is None or cell is None:
            return None
        text = self._shown(cell)
        if isinstance(cell, CellError):
            problems.append(FoundProblem(place, "cell_error", text))
            return None
        found = known(text)
        if text and found is None:
            problems.append(FoundProblem(place, problem, text))
        return found

    def _text(self, cell: FileCell, language: str | None = None) -> str:
        if cell is None or isinstance(cell, CellError):
            return ""
        text = (
            (cell if isinstance(cell, str) else self._reading.text(cell, language or self._languages[0]))
            .replace("\x00", "")
            .strip()
        )
        # what cannot be seen is not a value, but a joiner within a word belongs to it
        return text if text.isascii() or INVISIBLE.sub("", text).strip() else ""

    def _shown(self, cell: FileCell) -> str:
        return cell.text if isinstance(cell, CellError) else self._text(cell)[:MAX_SHOWN]


def _on_one_line(text: str) -> str:
    """Returns a text with a space for each line break or tab, with the blanks around it."""
    return " ".join(line for part in _BREAK.split(text) if (line := part.strip())) if _BREAK.search(text) else text


def _problem_of(text: str) -> RowProblem | None:
    if not text:
        return "parameter_empty"
    if _BREAK.search(text):
        return "parameter_line_break"
    if _SPACES in text:
        return "parameter_spaces"
    return "parameter_too_long" if len(text) > MAX_PARAMETER else None


def _cell(cells: Sequence[FileCell], place: int) -> FileCell:
    """Returns a cell; rows may be shorter than others. An empty text is None."""
    if place >= len(cells):
        return None
    cell = cells[place]
    return None if cell == "" else cell


def zone_named(text: str) -> str | None:
    """Returns the time zone of IANA with this name, in any case; None: there is none."""
    return _zones().get(text.replace(" ", "_").lower()) if text else None


@cache
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones() if "/" in name or name == "UTC"}
