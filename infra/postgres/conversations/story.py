"""Lookup of a single stored fact. With it the simulator recognises that a story was already sent."""

from datetime import datetime
from typing import Any

from psycopg import Connection

from domain.ids import FactId


def stored_at(conn: Connection[Any], fact: FactId) -> datetime | None:
    """Returns the sender's time of a stored fact, or None if the fact is not stored. Raises psycopg errors."""
    found = conn.execute("select sent_at from entries where input_id = %s order by sent_at limit 1", (fact,)).fetchone()
    return found[0] if found else None
