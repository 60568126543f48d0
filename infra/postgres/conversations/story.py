"""What the simulator looks up: whether a story was already sent, and what the agents of the demo have to do. Functions
raise psycopg errors."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection

from domain.ids import FactId


def stored_at(conn: Connection[Any], fact: FactId) -> datetime | None:
    """Returns the sender's time of a stored fact, or None if the fact is not stored."""
    found = conn.execute("select sent_at from entries where input_id = %s order by sent_at limit 1", (fact,)).fetchone()
    return found[0] if found else None


def presence_of(conn: Connection[Any], agents: Collection[str]) -> dict[str, str]:
    """Returns agent -> the state that their desktop last reported."""
    found = conn.execute("select agent_id, state from agent_presence where agent_id = any(%s)", (list(agents),))
    return dict(found.fetchall())


def owned_by(conn: Connection[Any], agents: Collection[str], numbers: Collection[str]) -> list[tuple[UUID, str, bool]]:
    """Returns the conversations with these numbers that these agents were offered or have: id, agent, whether they
    accepted."""
    found = conn.execute(
        "select id, owner_id, owner_state = 'x' from conversations where status = 'a' and owner_kind = 'u' "
        "and owner_state in ('a', 'x') and owner_id = any(%s) and phone_number_id = any(%s)",
        (list(agents), list(numbers)),
    )
    return found.fetchall()
