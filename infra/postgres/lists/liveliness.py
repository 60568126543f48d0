"""Whether messages arrive and are processed, for the people who watch the lists. Raises psycopg errors."""

from datetime import timedelta
from typing import Any, NamedTuple

from psycopg import Connection

MINUTE = timedelta(minutes=1)


class Liveliness(NamedTuple):
    """`silent`: whole minutes since the last message of a customer whose conversation is active; None: there is none.
    `behind`: whole minutes by which the consumers lag; 0 also where none has begun."""

    silent: int | None
    behind: int


def liveliness(conn: Connection[Any]) -> Liveliness:
    """Returns the current state. Reads one row of an index and the positions of the consumers."""
    row = conn.execute(
        "select (select now() - (max(window_ends_at) - interval '24 hours') from conversations where status = 'a'), "
        "(select now() - min(caught_up_to) from consumer_offsets where caught_up_to > 'epoch')"
    ).fetchone()
    assert row is not None
    silent, behind = row
    return Liveliness(
        None if silent is None else max(0, silent // MINUTE), 0 if behind is None else max(0, behind // MINUTE)
    )


def has_conversations(conn: Connection[Any]) -> bool:
    """Whether any message has ever arrived."""
    row = conn.execute("select exists (select from conversations)").fetchone()
    return row is not None and bool(row[0])
