"""Alarms of which somebody wants to hear nothing for a while. Raises psycopg errors."""

from datetime import datetime
from typing import Any

from psycopg import Connection

from domain.alarms.judging import AlarmSubject


def silence(connection: Connection[Any], subject: AlarmSubject, until: datetime, actor: str) -> None:
    """Silences an alarm until then, also one that begins meanwhile. A time that is over ends a silence."""
    connection.execute(
        "insert into alarm_silences (kind, key, until, actor, at) values (%b, %b, %b, %b, clock_timestamp()) "
        "on conflict (kind, key) do update set until = excluded.until, actor = excluded.actor, at = excluded.at",
        [*subject, until, actor],
    )
