"""A transaction for reads that belong together."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection


@contextmanager
def one_snapshot(conn: Connection[Any]) -> Iterator[None]:
    """A transaction whose statements all see the same snapshot. `conn` must not be in a transaction."""
    with conn.transaction():
        conn.execute("set transaction isolation level repeatable read, read only")
        yield
