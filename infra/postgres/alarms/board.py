"""How the installation is, for the line on every page. Raises psycopg errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection

from domain.alarms.kinds import JUDGING, AlarmDetails, AlarmKind
from infra.postgres.alarms.judgements import judged_at
from infra.postgres.alarms.personal import PersonalAlarm
from infra.postgres.alarms.signs import heard_at
from infra.postgres.connections.clock import database_now


@dataclass(frozen=True, slots=True)
class BoardAlarm:
    """An open alarm that is not silenced."""

    kind: AlarmKind
    key: str
    details: AlarmDetails
    conversation_id: UUID | None


@dataclass(frozen=True, slots=True)
class InstallationHealth:
    """How an installation is at `now`. `heard_at`: when something last came from WhatsApp; None: never; `judged_at`:
    when somebody last looked for troubles; None: nobody ever did; `alarms`: the worst, then the latest first;
    `wishes`: what people want to be told."""

    now: datetime
    heard_at: datetime | None
    judged_at: datetime | None
    alarms: Sequence[BoardAlarm]
    wishes: Mapping[str, PersonalAlarm]


def read_health(connection: Connection[Any]) -> InstallationHealth:
    """Returns how the installation is. Reads a few rows."""
    rows = connection.execute(
        "select kind, key, details, conversation_id from alarms a where ended_at is null and kind <> %b "
        "and not exists (select from alarm_silences s where s.kind = a.kind and s.key = a.key "
        "and s.until > clock_timestamp()) order by began_at desc, id desc limit 100",
        [AlarmKind.RUNNING_OUT],
    ).fetchall()
    found = [BoardAlarm(AlarmKind(kind), *rest) for kind, *rest in rows]
    wishes = connection.execute(
        "select name, minutes, phone_number_ids, skillsets, sound, desktop, mail from personal_alarms"
    ).fetchall()
    return InstallationHealth(
        database_now(connection),
        heard_at(connection),
        judged_at(connection),
        sorted(found, key=lambda alarm: JUDGING[alarm.kind].level != "red"),
        {name: PersonalAlarm(*rest) for name, *rest in wishes},
    )
