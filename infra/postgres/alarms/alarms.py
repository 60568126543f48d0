"""Alarms: at most one of a kind and key is open at a time. Raises psycopg errors."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.types.json import Jsonb

from domain.alarms.kinds import AlarmDetails, AlarmKind


@dataclass(frozen=True, slots=True)
class AlarmToRaise:
    """An alarm that begins. `key`: what of its kind it is about, '' if there can be only one; `details`: what its text
    is filled with, and `channel`: the name of the channel that a rule asked for; `conversation_id`: whom a person shall
    look at, None if it is about no conversation."""

    kind: AlarmKind
    key: str
    details: AlarmDetails
    conversation_id: UUID | None
    at: datetime


def raise_alarm(connection: Connection[Any], alarm: AlarmToRaise) -> bool:
    """Opens an alarm in the caller's transaction; returns False, and changes nothing, if one of this kind and key is
    open. Waits for a transaction that is opening the same one."""
    row = connection.execute(
        "insert into alarms (kind, key, details, conversation_id, began_at) values (%b, %b, %b, %b, %b) "
        "on conflict (kind, key) where ended_at is null do nothing returning id",
        [alarm.kind, alarm.key, Jsonb(dict(alarm.details)), alarm.conversation_id, alarm.at],
    ).fetchone()
    return row is not None


def end_alarm(connection: Connection[Any], kind: AlarmKind, key: str, at: datetime) -> bool:
    """Ends the open alarm of this kind and key in the caller's transaction; returns whether there was one. One that was
    opened later than `at` ends when it began."""
    row = connection.execute(
        "update alarms set ended_at = greatest(began_at, %b) where kind = %b and key = %b and ended_at is null "
        "returning id",
        [at, kind, key],
    ).fetchone()
    return row is not None
