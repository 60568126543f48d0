"""Checks the rows of a file with recipients, and writes them as lines of COPY: a few thousand at a time, so that memory
does not grow with the file."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from domain.campaigns.files.cells import FileCell, cell_to_json
from domain.campaigns.files.rows import CellReading, CheckedRow, RowRules
from domain.command_bodies.campaigns import ColumnMapping
from domain.sending.templates import Template
from infra.phones.numbering import GoogleNumberingPlan, country_of_number
from infra.sheets.rendering import cell_text, language_named
from infra.sheets.rows import file_rows

_ROWS_AT_ONCE = 10_000
_BYTES_AT_ONCE = 4 * 1024 * 1024
_MAX_CELL = 2000
"""Characters of a cell of a bad row that are kept."""
_SPECIAL = re.compile(r"[\\\n\r\t]")
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NULL = "\\N"
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

RECIPIENT_FIELDS = (
    "row_no",
    "address",
    "address_kind",
    "address_key",
    "name",
    "language",
    "zone",
    "parameters",
    "cells",
    "state",
    "reason",
)
"""Columns of a line of `recipients`."""
PROBLEM_FIELDS = ("row_no", "place", "problem", "value")
"""Columns of a line of `problems`."""


class RowFrame(NamedTuple):
    """Some checked rows. `head`: `row`, the last of them; `rows`: how many they are; `states`: state, or state and
    reason -> how many; `recipients`, `problems`: the bytes of the lines that follow."""

    head: Mapping[str, Any]
    recipients: bytes
    problems: bytes


def check_rows(content: bytes, request: Mapping[str, Any]) -> Iterator[RowFrame]:
    """Yields the rows of a file after row `after`, checked. `request`: `mapping` and `templates` of the campaign,
    `phone` of the business number, `width` of a text file's headings, and `after`, at least the row of the headings.
    Raises RefusedFile."""
    rules = row_rules(
        ColumnMapping.model_validate(request["mapping"]),
        [Template(*each) for each in request["templates"]],
        request["phone"],
        request["width"],
    )
    lines, after = _Lines(), request["after"]
    for number, cells in file_rows(content):
        if number <= after:
            continue
        lines.add(number, cells, rules.check(cells))
        if lines.rows >= _ROWS_AT_ONCE or lines.size >= _BYTES_AT_ONCE:
            yield lines.frame()
            lines = _Lines()
    if lines.rows:
        yield lines.frame()


def row_rules(mapping: ColumnMapping, templates: Sequence[Template], phone: str, width: int | None = None) -> RowRules:
    """Returns the rules for the rows of a file. `phone`: of the business number, whose country is that of phones
    without one, unless the mapping has a country; `width`: columns of a text file. Dates are written in the language of
    a row's template."""
    plan = GoogleNumberingPlan(mapping.country or country_of_number(phone))
    return RowRules(mapping, templates, CellReading(plan, cell_text, language_named), width)


@dataclass(slots=True)
class _Lines:
    rows: int = 0
    size: int = 0
    last: int = 0
    recipients: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)

    def add(self, number: int, cells: Sequence[FileCell], row: CheckedRow) -> None:
        self.rows, self.last = self.rows + 1, number
        address, reason = row.address, row.problems[0].problem if row.problems else None
        kept = [_kept(cell) for cell in cells] if reason else None
        line = "\t".join(
            (
                str(number),
                *((_escaped(address.address), address.kind, _escaped(address.key)) if address else (_NULL,) * 3),
                _NULL if row.name is None else _escaped(row.name),
                row.language or _NULL,
                row.zone or _NULL,
                _json(row.parameters),
                _NULL if kept is None else _json(kept),
                f"skipped\t{reason}" if reason else f"imported\t{_NULL}",
            )
        )
        self.states[f"skipped {reason}" if reason else "imported"] += 1
        self.recipients.append(line)
        self.size += len(line)
        # two values for everybody may have the same problem in the place of the phone: it is stored once
        problems: dict[tuple[int, str], str] = {}
        for place, problem, value in row.problems:
            problems.setdefault((place, problem), value)
        for (place, code), value in problems.items():
            line = f"{number}\t{place}\t{code}\t{_escaped(_storable(value))}"
            self.problems.append(line)
            self.size += len(line)

    def frame(self) -> RowFrame:
        """Returns the lines so far as a frame."""
        recipients, problems = _bytes(self.recipients), _bytes(self.problems)
        return RowFrame(
            {
                "row": self.last,
                "rows": self.rows,
                "states": dict(self.states),
                "recipients": len(recipients),
                "problems": len(problems),
            },
            recipients,
            problems,
        )


def _kept(cell: FileCell) -> object:
    return _storable(cell[:_MAX_CELL]) if isinstance(cell, str) and cell else cell_to_json(cell)


def _storable(text: str) -> str:
    """Returns a text without what PostgreSQL cannot store."""
    return text.replace("\x00", "").encode(errors="replace").decode() if not text.isascii() or "\x00" in text else text


def _json(value: object) -> str:
    return _escaped(_ENCODE(value))


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text) if _SPECIAL.search(text) else text


def _bytes(lines: Sequence[str]) -> bytes:
    return "".join([f"{line}\n" for line in lines]).encode(errors="replace")
