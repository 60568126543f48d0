"""Cells of a file with recipients, as the file has them: a number is not the text that a spreadsheet program shows."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from math import isfinite
from typing import NamedTuple


class CellError(NamedTuple):
    """An error that stands in a cell instead of a value, e.g. `#N/A`."""

    text: str


FileCell = str | int | float | bool | date | datetime | time | timedelta | CellError | None
"""None and the empty text: an empty cell."""


def is_empty_row(cells: Sequence[FileCell]) -> bool:
    """Returns whether nothing is in any cell. Blanks are nothing."""
    if cells.count("") == len(cells):
        return True
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)


def cell_to_json(cell: FileCell) -> object:
    """Returns a cell in the form in which it is stored: a text, number or boolean as it is, null for an empty one,
    and an object with one key for an error, a date, a time of day and a duration in seconds."""
    match cell:
        case None | "":
            return None
        case CellError(text):
            return {"error": text}
        case datetime() | date():
            return {"date": cell.isoformat()}
        case time():
            return {"time": cell.isoformat()}
        case timedelta():
            return {"seconds": cell.total_seconds()}
        case float() if not isfinite(cell):
            return str(cell)  # JSON has no such number
        case _:
            return cell


def cell_from_json(stored: object) -> FileCell:
    """Returns the cell that was stored."""
    if not isinstance(stored, dict):
        return stored  # type: ignore[return-value]  # a text, number, boolean or null
    ((kind, value),) = stored.items()
    match kind:
        case "error":
            return CellError(value)
        case "date":
            return datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
        case "time":
            return time.fromisoformat(value)
        case "seconds":
            return timedelta(seconds=value)
        case _:
            raise ValueError("not a cell")
