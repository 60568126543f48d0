"""Converts rows to the arrays that `unnest` takes, so that one statement, and one round trip, handles a whole batch
(architecture.md, P4)."""

from collections.abc import Iterable, Sequence
from typing import Any


def column_arrays(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Returns one list per column. There must be at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]


def uuid_array(ids: Iterable[object]) -> str:
    """Returns a `uuid[]` in PostgreSQL's text form."""
    # arrays of arrays must be rectangular, so inner arrays of different lengths are sent as text
    return "{" + ",".join(map(str, ids)) + "}"
