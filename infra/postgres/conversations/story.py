"""Whether a story was told before: what a simulator must know so that telling it again adds nothing."""

from datetime import datetime
from typing import Any

from psycopg import Connection

from domain.ids import FactId


def stored_at(conn: Connection[Any], fact: FactId) -> datetime | None:
    """When the sender of a stored fact says it happened; None if it is not stored."""
    found = conn.execute("select sent_at from entries where input_id = %s order by sent_at limit 1", (fact,)).fetchone()
    return found[0] if found else None
