"""The workbook of the rows of a file that nothing is sent to because of what stands in them: with their own cells, and
a column that says why. Mended, it can be uploaded as it is: the columns are where they were."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Protocol

from domain.campaigns.files.cells import CellError, FileCell, cell_from_json
from domain.command_bodies.campaigns import ColumnMapping
from infra.sheets.rendering import cell_text
from infra.sheets.workbook import Cell, Sheet, workbook

_LETTERS = 26


class RowWithProblems(Protocol):
    """A row as the database has it. `cells`: None for a row that repeats another, of which the rest is known;
    `problems`: place of the column, problem, value."""

    @property
    def row_no(self) -> int: ...
    @property
    def cells(self) -> Sequence[Any] | None: ...
    @property
    def address(self) -> str | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def parameters(self) -> Mapping[str, str] | None: ...
    @property
    def repeats(self) -> int | None: ...
    @property
    def problems(self) -> Sequence[tuple[int, str, str]]: ...


class ProblemWords(Protocol):
    """What the workbook says, in the language of the person. `row`, `why`: headings."""

    @property
    def title(self) -> str: ...
    @property
    def row(self) -> str: ...
    @property
    def why(self) -> str: ...
    def problem(self, code: str) -> str:
        """Returns what is wrong, in a few words without a full stop."""
        ...

    def repeats(self, row: int) -> str:
        """Returns that a row repeats another one."""
        ...


def problem_book(
    headings: Sequence[str],
    mapping: ColumnMapping,
    rows: Iterable[RowWithProblems],
    words: ProblemWords,
    made_at: datetime,
) -> Iterator[bytes]:
    """The parts of the workbook; rows are read while it is written. `headings`: of the file's columns."""
    titles = [heading or _letters(place) for place, heading in enumerate(headings)]
    sheet = Sheet(
        name=words.title,
        title=words.title,
        made_at=made_at,
        columns=[*((title, 20) for title in titles), (words.row, 8), (words.why, 60)],
        is_text=True,
    )
    return workbook(sheet, (_row(each, titles, mapping, words) for each in rows))


def _row(row: RowWithProblems, titles: Sequence[str], mapping: ColumnMapping, words: ProblemWords) -> list[Cell]:
    cells = [cell_from_json(each) for each in row.cells] if row.cells is not None else _known(row, mapping)
    cells += [None] * (len(titles) - len(cells))
    written = [_cell(cell, is_phone=place == mapping.phone) for place, cell in enumerate(cells[: len(titles)])]
    why = [
        f"{titles[place] if place < len(titles) else _letters(place)}: {words.problem(code)}"
        for place, code, _ in row.problems
    ]
    if row.repeats is not None:
        why.append(words.repeats(row.repeats))
    return [*written, row.row_no, "; ".join(why)]


def _known(row: RowWithProblems, mapping: ColumnMapping) -> list[FileCell]:
    """Returns the cells of a row of which only those are known that were read."""
    found: dict[int, FileCell] = {place: (row.parameters or {}).get(name) for name, place in mapping.parameters.items()}
    if mapping.name is not None:
        found.setdefault(mapping.name, row.name)
    found[mapping.phone] = f"+{row.address}" if row.address and row.address.isdigit() else row.address
    return [found.get(place) for place in range(max(found) + 1)]


def _cell(cell: FileCell, *, is_phone: bool) -> Cell:
    """Returns a cell as it was; a phone is a text, so that a mended one stays what people type."""
    match cell:
        case CellError(text):
            return text
        case bool() | time():
            return cell_text(cell, "en")
        case datetime() | timedelta() | None | str():
            return cell
        case date():
            return datetime.combine(cell, time())
        case int() | float():
            return cell_text(cell, "en") if is_phone else cell


def _letters(column: int) -> str:
    rest, letter = divmod(column, _LETTERS)
    return (_letters(rest - 1) if rest else "") + chr(ord("A") + letter)
