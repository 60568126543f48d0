"""Rows as columns: what `unnest` takes. One statement over a whole batch costs one round trip (architecture.md)."""

from collections.abc import Iterable, Sequence
from typing import Any


def column_arrays(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """One list a column; `rows` holds at least one."""
    return [list(column) for column in zip(*rows, strict=True)]


def uuid_array(ids: Iterable[object]) -> str:
    """A `uuid[]` as PostgreSQL writes it: an array of arrays cannot be ragged, so inner ones travel as text."""
    return "{" + ",".join(map(str, ids)) + "}"
