"""What a file with recipients has: its headings, its first rows, how many rows there are, and what each column may be
(docs/design/campaigns.md, *Files*)."""

from typing import Any

from domain.campaigns.files.cells import FileCell, cell_to_json
from domain.campaigns.files.columns import HEADINGS_WITHIN, guess_columns, heading_row
from domain.campaigns.files.refusals import FIRST_ROWS, RefusedFile
from infra.sheets.rendering import CellTexts, language_named
from infra.sheets.rows import FileRow, file_rows, is_workbook

_MAX_HEADING = 200
_MAX_CELL = 1100
"""Characters of a cell that are shown: more than the longest parameter has, so that a longer one is seen to be."""
_GUESSED_FROM = 200


def describe(content: bytes) -> dict[str, Any]:
    """Returns `rows`, the number of rows below the headings, and `headings`, as `campaign_files` has them. Raises
    RefusedFile."""
    first: list[FileRow] = []
    count = 0
    for row in file_rows(content):
        count += 1
        if len(first) < _GUESSED_FROM:
            first.append(row)
    if not count:
        raise RefusedFile("empty")
    place = heading_row([row.cells for row in first[:HEADINGS_WITHIN]])
    below = first if place is None else first[place + 1 :]
    count -= 0 if place is None else place + 1
    if not count:
        raise RefusedFile("no_rows")
    width = max(len(row.cells) for row in first)
    texts = [_heading(cell) for cell in first[place].cells] if place is not None else []
    named = max((place for place, text in enumerate(texts, 1) if text), default=0)
    headings = texts + [""] * (width - len(texts))
    guess = guess_columns(headings, [row.cells for row in below], lambda text: language_named(text) is not None)
    return {
        "rows": count,
        "headings": {
            "row": 0 if place is None else first[place].number,
            "columns": headings,
            "width": None if is_workbook(content) else named or None,
            "guess": guess._asdict(),
            "first": [
                {"row": row.number, "cells": [cell_to_json(_shown(cell)) for cell in row.cells]}
                for row in below[:FIRST_ROWS]
            ],
        },
    }


def _heading(cell: FileCell) -> str:
    return " ".join(CellTexts("en")(cell).replace("\x00", "").split())[:_MAX_HEADING]


def _shown(cell: FileCell) -> FileCell:
    return cell.replace("\x00", "")[:_MAX_CELL] if isinstance(cell, str) else cell
