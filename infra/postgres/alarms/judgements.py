"""What the judge of alarms remembers from one judgement to the next. Raises psycopg errors."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection

from domain.alarms.judging import AlarmSubject, SeenCondition
from domain.alarms.kinds import AlarmKind

_LOCK = 0x616C_6172_6D73
"""Key of the advisory lock under which one process judges: the bytes of "alarms"."""


def take_judging(connection: Connection[Any]) -> bool:
    """Returns whether this transaction is the one that judges now."""
    row = connection.execute("select pg_try_advisory_xact_lock(%b)", [_LOCK]).fetchone()
    return row is not None and row[0] is True


def seen_conditions(connection: Connection[Any]) -> dict[AlarmSubject, SeenCondition]:
    """Returns the conditions as they were last seen."""
    rows = connection.execute("select kind, key, since, gone_since from alarm_conditions").fetchall()
    return {AlarmSubject(AlarmKind(kind), key): SeenCondition(since, gone) for kind, key, since, gone in rows}


def store_judgement(
    connection: Connection[Any],
    before: Mapping[AlarmSubject, SeenCondition],
    after: Mapping[AlarmSubject, SeenCondition],
    now: datetime,
) -> None:
    """Stores the conditions as they are seen now, and that somebody judged."""
    for subject in sorted(before.keys() - after.keys()):
        connection.execute("delete from alarm_conditions where kind = %b and key = %b", list(subject))
    for subject in sorted(subject for subject, seen in after.items() if before.get(subject) != seen):
        connection.execute(
            "insert into alarm_conditions (kind, key, since, gone_since) values (%b, %b, %b, %b) "
            "on conflict (kind, key) do update set since = excluded.since, gone_since = excluded.gone_since",
            [*subject, *after[subject]],
        )
    connection.execute(
        "insert into alarm_judge (judged_at) values (%b) on conflict (id) do update set judged_at = excluded.judged_at",
        [now],
    )


def judged_at(connection: Connection[Any]) -> datetime | None:
    """Returns when somebody last judged; None: nobody ever did."""
    row = connection.execute("select judged_at from alarm_judge").fetchone()
    return row[0] if row else None
