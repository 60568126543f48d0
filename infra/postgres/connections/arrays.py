"""Converts rows to the arrays that `unnest` takes, so that one statement, and one round trip, handles a whole batch
(architecture.md, P4)."""

from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.types.array import ListBinaryDumper


class ColumnValues(list[Any]):
    """The values of one column, all of one type or None; no lists."""


def column_arrays(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Returns the values of each column. There must be at least one row."""
    return [ColumnValues(column) for column in zip(*rows, strict=True)]


def uuid_array(ids: Iterable[UUID]) -> str:
    """Returns a `uuid[]` in PostgreSQL's text form."""
    # arrays of arrays must be rectangular, so inner arrays of different lengths are sent as text
    return "{" + ",".join([f"{id_.int:032x}" for id_ in ids]) + "}"


_NULL = b"\xff\xff\xff\xff"
_HEAD = Struct("!iiIii").pack
"""One dimension, whether there are nulls, the type of the elements, their number, the first index."""
_LENGTH = Struct("!i").pack
_SIZES = {name: _LENGTH(size) for name, size in {"timestamptz": 8, "int8": 8, "int4": 4, "int2": 2, "bool": 1}.items()}
_SIZE_OF = {psycopg.adapters.types[name].oid: size for name, size in _SIZES.items()}
_UUID, _UUID_SIZE = psycopg.adapters.types["uuid"].oid, _LENGTH(16)


class _ColumnDumper(ListBinaryDumper):
    """Sends the values of a column in PostgreSQL's binary form. psycopg's own conversion of lists is written for lists
    of any depth and type, and took a tenth of the processor time of a batch."""

    def dump(self, obj: list[Any]) -> Buffer | None:
        element = self.sub_dumper
        if element is None or not obj:
            return super().dump(obj)
        dump: Callable[[Any], Any] = element.dump
        if element.oid == _UUID:
            values = [_NULL if value is None else _UUID_SIZE + value.int.to_bytes(16, "big") for value in obj]
        elif (size := _SIZE_OF.get(element.oid)) is not None:
            values = [_NULL if value is None else size + dump(value) for value in obj]
        else:
            values = [_NULL if v is None else _LENGTH(len(sent := dump(v))) + sent for v in obj]
        return _HEAD(1, _NULL in values, element.oid, len(values), 1) + b"".join(values)


psycopg.adapters.register_dumper(ColumnValues, _ColumnDumper)
