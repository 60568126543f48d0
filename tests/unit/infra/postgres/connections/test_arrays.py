"""The values of a column reach PostgreSQL in exactly the form in which psycopg sends a list of them."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from psycopg.adapt import PyFormat, Transformer

from infra.postgres.connections.arrays import column_arrays, uuid_array

AT = datetime(2026, 11, 29, 12, 0, 0, 123456, tzinfo=UTC)
ID = UUID("0190a0b0-0000-8123-b456-0123456789ab")


@pytest.mark.parametrize(
    "values",
    [
        [ID, UUID(int=0), UUID(int=(1 << 128) - 1)],
        ["Zürich", "", "a" * 70_000],
        [AT, datetime(1970, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)],
        [1, 2, 3],
        [1, -70_000],
        [0, 1 << 40],
        [True, False],
        [b"\x00\xff", b""],
        [1.5, -0.25],
        [None, None],
    ],
    ids=["uuid", "text", "timestamptz", "int2", "int4", "int8", "boolean", "bytea", "float8", "nothing"],
)
@pytest.mark.parametrize("with_none", [False, True])
def test_a_column_is_sent_as_a_list_is(values: list[object], with_none: bool) -> None:
    if with_none:
        values = [None, *values, None]
    (column,) = column_arrays([value] for value in values)
    sent, expected = (_sent(each) for each in (column, list(values)))
    assert expected == sent


def _sent(values: list[object]) -> tuple[int, bytes]:
    dumper = Transformer().get_dumper(values, PyFormat.BINARY)
    dumped = dumper.dump(values)
    assert dumped is not None
    return dumper.oid, bytes(dumped)


def test_ids_are_written_as_postgresql_reads_them() -> None:
    assert f"{{{ID.hex},{UUID(int=7).hex}}}" == uuid_array([ID, UUID(int=7)])
    assert "{}" == uuid_array([])
