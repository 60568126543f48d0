"""The database's clock, which the rules go by wherever a decision is stored."""

from datetime import datetime
from typing import Any

from psycopg import Connection


def database_now(connection: Connection[Any]) -> datetime:
    """Returns the current time of the database server (aware UTC), also inside a long transaction. Raises psycopg
    errors."""
    row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None
    now: datetime = row[0]
    return now
