"""The second step from a file: which column is what, and the first rows as the customers will see them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pydantic import ValidationError

from console.campaigns import texts
from console.campaigns.new.draft import MAX_COLUMNS, NOT_USED, PARAMETER, Draft
from console.campaigns.new.heading import FILE_HEADINGS
from console.campaigns.new.message import CampaignPreview, shown_message, variable_label
from console.request import translated
from domain.campaigns.content import HEADER, variables_of
from domain.campaigns.files.cells import FileCell, cell_from_json
from domain.campaigns.files.columns import ColumnGuess, guess_parameters
from domain.campaigns.files.rows import CheckedRow
from domain.command_bodies.campaigns import ColumnMapping
from domain.contract.texts import gettext_noop
from domain.sending.templates import Template
from infra.postgres.campaigns.pages.uploads import ArrivedFile
from infra.postgres.media.uploads import UploadedFile
from infra.sheets.checking import row_rules
from infra.sheets.rendering import CellTexts

_ROLES = {
    "phone": gettext_noop("Phone"),
    "name": gettext_noop("Name"),
    "language": gettext_noop("Language"),
    "zone": gettext_noop("Time zone"),
}


class FileColumn(NamedTuple):
    """A column of the file. `letter`: its name in a spreadsheet program; `role`: what it is."""

    place: int
    letter: str
    heading: str
    role: str


class SampleCell(NamedTuple):
    """A cell as it is shown. `wrong`: what is wrong with it; empty: nothing."""

    text: str
    wrong: str


class SampleRow(NamedTuple):
    """A row of the file. `wrong`: what is wrong with it; `note`: how its phone is understood, if that differs."""

    number: int
    cells: Sequence[SampleCell]
    wrong: Sequence[str]
    note: str


@dataclass(frozen=True, slots=True)
class MappedFile:
    """A file with what its columns are. `roles`: all that a column can be; `rows`: the first ones; `at`: the row of the
    previews; `missing`: variables that nothing fills in; `more`: columns that are not offered."""

    file: ArrivedFile
    draft: Draft
    columns: Sequence[FileColumn]
    roles: Sequence[tuple[str, str]]
    rows: Sequence[SampleRow]
    at: int
    previews: Sequence[tuple[str, CampaignPreview]]
    missing: Sequence[str]
    more: int
    has_phone: bool

    @property
    def is_complete(self) -> bool:
        """Whether a campaign can be created from it."""
        return self.has_phone and not self.missing


def variables(templates: Sequence[Template]) -> list[str]:
    """All that the templates need for each recipient; not the file of a heading, which is one for everybody."""
    files = {HEADER} if any(each.header_kind in FILE_HEADINGS for each in templates) else set()
    return list(dict.fromkeys(name for each in templates for name in variables_of(each) if name not in files))


def label_of(templates: Sequence[Template], name: str) -> str:
    """What a variable is called on the page."""
    template = next((each for each in templates if name in variables_of(each)), templates[0])
    return variable_label(template, name)


def guessed(draft: Draft, file: ArrivedFile, templates: Sequence[Template]) -> Draft:
    """The draft with the guess for the columns, if nobody has chosen any; without columns that the file does not
    have."""
    if file.headings is None:
        return draft
    if draft.columns is not None:
        there = len(file.headings["columns"])
        return replace(draft, columns={n: role for n, role in draft.columns.items() if n < there})
    guess = ColumnGuess(**file.headings["guess"])
    roles = {place: role for role, place in guess._asdict().items() if place is not None}
    parameters = guess_parameters(file.headings["columns"], guess, variables(templates))
    roles |= {place: f"{PARAMETER}{name}" for name, place in parameters.items() if roles.get(place) != "phone"}
    return replace(draft, columns={n: roles.get(n, NOT_USED) for n in range(_width(file))})


def mapped_file(
    draft: Draft, file: ArrivedFile, templates: Sequence[Template], phone: str, at: int, heading: UploadedFile | None
) -> MappedFile:
    """The file with what its columns are. `phone`: of the business number; `at`: the row of the previews; `heading`:
    the file that the heading shows."""
    headings = file.headings or {}  # as `describe` stored it
    needed = variables(templates)
    names: list[str] = list(headings.get("columns", ()))
    columns = [FileColumn(n, letters(n), names[n], (draft.columns or {}).get(n, NOT_USED)) for n in range(_width(file))]
    roles = [(NOT_USED, translated(gettext_noop("Not used")))]
    roles += [(role, translated(name)) for role, name in _ROLES.items()]
    roles += [(f"{PARAMETER}{name}", label_of(templates, name)) for name in needed]
    given = {*draft.parameters, *(name for name, value in draft.values.items() if value.strip())}
    has_phone = draft.column_of("phone") is not None
    separated: int | None = headings.get("width")
    stored: list[dict[str, Any]] = list(headings.get("first", ()))
    cells = [[cell_from_json(cell) for cell in row["cells"]] for row in stored]
    checked = _checked(draft, cells, templates, phone, separated) if has_phone else [None] * len(cells)
    texts_of = CellTexts(templates[0].language)
    rows = [
        _sample_row(row["row"], found, check, len(columns), texts_of, draft.parameters.values())
        for row, found, check in zip(stored, cells, checked, strict=True)
    ]
    at = min(max(at, 0), max(len(rows) - 1, 0))
    chosen = checked[at] if rows else None
    parameters = chosen.parameters if chosen is not None else {}
    return MappedFile(
        file,
        draft,
        columns,
        roles,
        rows,
        at,
        [(each.name, shown_message(each, parameters, heading)) for each in templates],
        [label_of(templates, name) for name in needed if name not in given],
        max(0, len(names) - MAX_COLUMNS),
        has_phone,
    )


def letters(column: int) -> str:
    """The name of a column in a spreadsheet program, counted from 0: A, B, ... Z, AA, ..."""
    rest, letter = divmod(column, 26)
    return (letters(rest - 1) if rest else "") + chr(ord("A") + letter)


def _width(file: ArrivedFile) -> int:
    return min(len((file.headings or {}).get("columns", ())), MAX_COLUMNS)


def _checked(
    draft: Draft, rows: Sequence[Sequence[FileCell]], templates: Sequence[Template], phone: str, separated: int | None
) -> list[CheckedRow | None]:
    try:
        mapping = ColumnMapping.model_validate(draft.mapping())
    except ValidationError:
        return [None] * len(rows)
    rules = row_rules(mapping, templates, phone, separated)
    return [rules.check(cells) for cells in rows]


def _sample_row(
    number: int,
    cells: Sequence[FileCell],
    check: CheckedRow | None,
    width: int,
    text: CellTexts,
    filled: Collection[int],
) -> SampleRow:
    wrong: dict[int, str] = {}
    for found in check.problems if check is not None else ():
        if found.problem == "parameter_empty" and found.place not in filled:
            continue  # no column fills in the variable: the page says so once, and no cell is to blame
        wrong.setdefault(found.place, texts.problem(found.problem).name)
    shown = [SampleCell(_shown(cells[n] if n < len(cells) else None, text), wrong.get(n, "")) for n in range(width)]
    return SampleRow(number, shown, list(dict.fromkeys(wrong.values())), _note(check))


def _shown(cell: FileCell, text: CellTexts) -> str:
    return text(cell)[:80]


def _note(check: CheckedRow | None) -> str:
    """How the phone is understood."""
    if check is None or check.address is None or check.address.kind != "phone":
        return ""
    return f"+{check.address.address}"
