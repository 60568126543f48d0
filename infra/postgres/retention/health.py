"""Whether the process `retention` does its work. Raises psycopg errors."""

from typing import Any, NamedTuple

from psycopg import Connection


class RetentionHealth(NamedTuple):
    """How the work stands. `waiting`: erasures that should be carried out by now; `is_walk_late`: no walk through the
    conversations was under way or came to its end within a day."""

    waiting: int
    is_walk_late: bool


def retention_health(connection: Connection[Any]) -> RetentionHealth:
    """Returns how the work stands."""
    row = connection.execute(
        "select (select count(*) from erasures where state in ('asked', 'erased') "
        "and asked_at < now() - interval '10 minutes'), "
        "(select coalesce(greatest(began_at, ended_at) < now() - interval '1 day', true) from retention_walk)"
    ).fetchone()
    assert row is not None
    return RetentionHealth(*row)
