"""Alarms: at most one of a kind and key is open at a time. Raises psycopg errors."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.types.json import Jsonb

from domain.alarms.judging import AlarmSubject
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


def open_alarms(connection: Connection[Any]) -> dict[AlarmSubject, AlarmDetails]:
    """Returns the open alarms, with what their texts are filled with."""
    rows = connection.execute("select kind, key, details from alarms where ended_at is null").fetchall()
    return {AlarmSubject(AlarmKind(kind), key): details for kind, key, details in rows}


def called(connection: Connection[Any]) -> dict[AlarmSubject, AlarmDetails]:
    """Returns the open alarms of rules whose customer still waits for somebody. One about no conversation is over after
    a day."""
    rows = connection.execute(
        "select key, details from alarms a where kind = %b and ended_at is null and case when conversation_id is null "
        "then began_at > clock_timestamp() - interval '1 day' else exists (select from conversations c "
        "where c.id = a.conversation_id and c.unmanaged and c.status = 'a') end",
        [AlarmKind.RULE],
    ).fetchall()
    return {AlarmSubject(AlarmKind.RULE, key): details for key, details in rows}


def refresh_alarm(connection: Connection[Any], subject: AlarmSubject, details: AlarmDetails) -> None:
    """Changes what the open alarm of a subject says. Nobody is told again."""
    connection.execute(
        "update alarms set details = %b where kind = %b and key = %b and ended_at is null",
        [Jsonb(dict(details)), subject.kind, subject.key],
    )
