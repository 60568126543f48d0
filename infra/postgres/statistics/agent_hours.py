"""The hours of agents, by day. Raises psycopg errors."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from psycopg import Connection

from domain.statistics.hours import AgentHours
from infra.postgres.connections.arrays import column_arrays


def lock_last_look(connection: Connection[Any]) -> datetime | None:
    """Returns when presence was looked at last, and makes the caller's transaction the only one that looks; None:
    another one does."""
    found = connection.execute("select at from stat_presence_look for update skip locked").fetchone()
    return found[0] if found else None


def add_look(connection: Connection[Any], at: datetime, day: date, seen: Sequence[AgentHours]) -> None:
    """Adds what a look saw, and notes when it was. The caller holds the lock."""
    connection.execute("update stat_presence_look set at = %b", [at])
    if seen:
        connection.execute(
            "insert into stat_agent_hours as h (day, agent_id, ready_s, paused_s) select %b, * from "
            "unnest(%b::text[], %b::integer[], %b::integer[]) on conflict (day, agent_id) do update set "
            "ready_s = h.ready_s + excluded.ready_s, paused_s = h.paused_s + excluded.paused_s",
            [day, *column_arrays(seen)],
        )
