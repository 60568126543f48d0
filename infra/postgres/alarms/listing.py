"""Alarms as people read them: the open ones, and those that are over. Raises psycopg errors."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.alarms.judging import AlarmSubject
from domain.alarms.kinds import JUDGING, AlarmDetails, AlarmKind, AlarmLevel
from infra.postgres.lists.cursor import START, Cursor

_MOST_OPEN = 500
"""More open alarms than this are not listed."""


class ListedAlarm(NamedTuple):
    """An alarm. `silenced_until`: None: it is not silenced; `told`: how many channels and people know of it."""

    id: UUID
    kind: AlarmKind
    key: str
    details: AlarmDetails
    conversation_id: UUID | None
    began_at: datetime
    ended_at: datetime | None
    silenced_until: datetime | None
    silenced_by: str | None
    told: int

    @property
    def level(self) -> AlarmLevel:
        """How bad it is."""
        return JUDGING[self.kind].level

    @property
    def subject(self) -> AlarmSubject:
        """What it is about."""
        return AlarmSubject(self.kind, self.key)


class AlarmPage(NamedTuple):
    """Alarms that are over, the latest first, and where the next page begins; None: there is none."""

    rows: Sequence[ListedAlarm]
    next: Cursor | None


def listed_open(connection: Connection[Any]) -> list[ListedAlarm]:
    """Returns the open alarms about the company, the worst and then the latest first. What a person asked for is
    theirs alone."""
    rows = connection.execute(
        f"select {_COLUMNS} where a.ended_at is null and a.kind <> %b order by a.began_at desc, a.id desc limit %b",
        [AlarmKind.RUNNING_OUT, _MOST_OPEN],
    ).fetchall()
    return sorted(map(_alarm, rows), key=lambda alarm: alarm.level != "red")


def listed_past(connection: Connection[Any], rows: int, after: Cursor = START) -> AlarmPage:
    """Returns one page of the alarms that are over."""
    found = connection.execute(
        f"select {_COLUMNS} where a.ended_at is not null and a.kind <> %b and (a.ended_at, a.id) < (%b, %b) "
        "order by a.ended_at desc, a.id desc limit %b",
        [AlarmKind.RUNNING_OUT, *after, rows + 1],
    ).fetchall()
    page = [_alarm(row) for row in found[:rows]]
    last = page[-1] if len(found) > rows else None
    return AlarmPage(page, Cursor(last.ended_at, last.id) if last is not None and last.ended_at is not None else None)


_COLUMNS: LiteralString = (
    "a.id, a.kind, a.key, a.details, a.conversation_id, a.began_at, a.ended_at, s.until, s.actor, "
    "(select count(*)::integer from alarm_deliveries d where d.alarm_id = a.id and d.change = 'began' "
    "and d.state = 'delivered') from alarms a left join alarm_silences s on s.kind = a.kind and s.key = a.key "
    "and s.until > clock_timestamp()"
)


def _alarm(row: tuple[Any, ...]) -> ListedAlarm:
    id_, kind, *rest = row
    return ListedAlarm(id_, AlarmKind(kind), *rest)


class DeliveryState(NamedTuple):
    """The latest attempt to tell a channel anything. `problem` None: none so far; `settled_at` None: it is
    tried again."""

    channel_id: UUID
    kind: AlarmKind
    created_at: datetime
    settled_at: datetime | None
    problem: str | None


def latest_deliveries(connection: Connection[Any]) -> dict[UUID, DeliveryState]:
    """Returns channel -> what it was last told."""
    rows = connection.execute(
        "select c.id, d.kind, d.created_at, d.settled_at, d.problem from alarm_channels c cross join lateral "
        "(select d.*, a.kind from alarm_deliveries d join alarms a on a.id = d.alarm_id where d.channel_id = c.id "
        "order by d.id desc limit 1) d where c.removed_at is null"
    ).fetchall()
    return {row[0]: DeliveryState(row[0], AlarmKind(row[1]), *row[2:]) for row in rows}
