"""What channels and people are told of alarms: one row for each change and receiver. Raises psycopg errors.

A delivery is claimed before it is sent, for so long that its sender has an answer by then. A process that ends
meanwhile leaves it claimed: another one sends it again, with the same id, by which the receiver recognises a repeat.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from domain.alarms.channels import AlarmChannel
from domain.alarms.kinds import JUDGING, AlarmDetails, AlarmKind
from infra.postgres.alarms.channels import channels

AlarmChange = Literal["began", "ended"]
LEASE = timedelta(seconds=60)
"""A claim lasts this long; a post takes at most a third of it."""
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that is ours to send. `attempts`: this one counted; `channel_id` None: a mail to the `person`."""

    id: UUID
    alarm_id: UUID
    channel_id: UUID | None
    person: str | None
    change: AlarmChange
    attempts: int
    created_at: datetime
    kind: AlarmKind
    key: str
    details: AlarmDetails
    conversation_id: UUID | None
    began_at: datetime
    ended_at: datetime | None


def announce(connection: Connection[Any]) -> int:
    """Makes the deliveries of alarms that began or ended; returns how many alarms that were. An alarm that is silenced
    waits until its silence is over; one that is over by then is told to nobody."""
    alarms = connection.execute(_TO_ANNOUNCE, [_AT_ONCE]).fetchall()
    known = channels(connection) if alarms else []
    for id_, kind, key, details, is_over, announced, silenced in alarms:
        if announced == 0 and not silenced:
            _insert(connection, id_, _receivers(AlarmKind(kind), key, details, known))
        if is_over:
            connection.execute(_TELL_END, [id_])
        connection.execute("update alarms set announced = %b where id = %b", [2 if is_over else 1, id_])
    if known:
        connection.execute(_FAIL_REMOVED)
    return len(alarms)


def _receivers(
    kind: AlarmKind, key: str, details: AlarmDetails, known: Iterable[AlarmChannel]
) -> list[tuple[UUID | None, str | None]]:
    """Returns channels and people who are told of an alarm: of a rule's, the channel that it names."""
    if kind is AlarmKind.RUNNING_OUT:
        return [(None, key)]
    named = [channel for channel in known if kind is AlarmKind.RULE and channel.name == details.get("channel")]
    level = JUDGING[kind].level
    chosen = named or [channel for channel in known if channel.system and (channel.level == "amber" or level == "red")]
    return [(channel.id, None) for channel in chosen]


def _insert(connection: Connection[Any], alarm: UUID, receivers: Iterable[tuple[UUID | None, str | None]]) -> None:
    for channel, person in receivers:
        connection.execute(
            "insert into alarm_deliveries (alarm_id, channel_id, person, change, state, due_at, created_at) "
            "values (%b, %b, %b, 'began', 'due', clock_timestamp(), clock_timestamp()) on conflict do nothing",
            [alarm, channel, person],
        )


def request_test(connection: Connection[Any], channel: UUID, name: str, actor: str) -> UUID:
    """Makes the delivery of a test alarm to one channel, whose `name` it says, and returns its id. The alarm is over at
    once, and nobody is told that it is."""
    row = connection.execute(
        "with made as (insert into alarms (kind, key, details, began_at, ended_at, announced) "
        "values (%b, %b, %b, clock_timestamp(), clock_timestamp(), 2) returning id) "
        "insert into alarm_deliveries (alarm_id, channel_id, change, state, due_at, created_at) "
        "select id, %b, 'began', 'due', clock_timestamp(), clock_timestamp() from made returning id",
        [AlarmKind.TEST, str(channel), Jsonb({"channel": name, "actor": actor}), channel],
    ).fetchone()
    assert row is not None
    found: UUID = row[0]
    return found


def is_settled(connection: Connection[Any], delivery: UUID) -> tuple[bool, str | None]:
    """Returns whether a delivery needs no further attempt, and the problem of its last one."""
    row = connection.execute(
        "select state in ('delivered', 'failed'), problem from alarm_deliveries where id = %b", [delivery]
    ).fetchone()
    return (row[0], row[1]) if row else (True, "removed")


_SILENCED: LiteralString = (
    "exists (select from alarm_silences s where s.kind = a.kind and s.key = a.key and s.until > clock_timestamp())"
)

_TO_ANNOUNCE: LiteralString = (
    f"select id, kind, key, details, ended_at is not null, announced, {_SILENCED} from alarms a where announced < 2 "
    f"and (ended_at is not null or announced = 0 and not {_SILENCED}) order by id limit %b for update skip locked"
)

_TELL_END: LiteralString = (
    "insert into alarm_deliveries (alarm_id, channel_id, person, change, state, due_at, created_at) "
    "select alarm_id, channel_id, person, 'ended', 'due', clock_timestamp(), clock_timestamp() from alarm_deliveries "
    "where alarm_id = %b and change = 'began' and state <> 'failed' on conflict do nothing"
)
"""Channels and people that were told that it began, or are yet to be, are told that it is over."""

_FAIL_REMOVED: LiteralString = (
    "update alarm_deliveries d set state = 'failed', problem = 'removed', settled_at = clock_timestamp() "
    "from alarm_channels c where c.id = d.channel_id and c.removed_at is not null and d.state in ('due', 'sending')"
)


def claim_delivery(connection: Connection[Any]) -> ClaimedDelivery | None:
    """Claims the delivery that is longest due; None: none is. A channel gets one at a time, so that one that hangs
    keeps nobody else waiting, and hears that an alarm is over only after it heard that it began."""
    with connection.cursor(row_factory=class_row(ClaimedDelivery)) as cursor:
        return cursor.execute(_CLAIM, [LEASE]).fetchone()


_CLAIM: LiteralString = """
with chosen as (
  select d.id from alarm_deliveries d where d.state in ('due', 'sending') and d.due_at <= clock_timestamp()
    and (d.change = 'began' or not exists (select from alarm_deliveries b where b.alarm_id = d.alarm_id
      and b.channel_id is not distinct from d.channel_id and b.person is not distinct from d.person
      and b.change = 'began' and b.state in ('due', 'sending')))
    and not exists (select from alarm_deliveries o where o.channel_id = d.channel_id and o.state = 'sending'
      and o.due_at > clock_timestamp())
  order by d.due_at, d.id limit 1 for update skip locked
)
update alarm_deliveries d set state = 'sending', attempts = d.attempts + 1, due_at = clock_timestamp() + %b
from chosen, alarms a where d.id = chosen.id and a.id = d.alarm_id
returning d.id, d.alarm_id, d.channel_id, d.person, d.change, d.attempts, d.created_at, a.kind, a.key, a.details,
  a.conversation_id, a.began_at, a.ended_at
"""


def settle_delivery(
    connection: Connection[Any], claim: ClaimedDelivery, problem: str | None, again_after: timedelta | None
) -> bool:
    """Stores what became of a claimed delivery: delivered if there is no problem; due again after a while, or failed
    for good. Returns False, and stores nothing, if another process has taken it over since."""
    state = "delivered" if problem is None else "due" if again_after is not None else "failed"
    row = connection.execute(
        "update alarm_deliveries set state = %b, problem = %b, due_at = clock_timestamp() + %b, "
        "settled_at = case when %b <> 'due' then clock_timestamp() end "
        "where id = %b and attempts = %b and state = 'sending' returning id",
        [state, problem, again_after or timedelta(), state, claim.id, claim.attempts],
    ).fetchone()
    if row is not None and state == "failed" and claim.change == "began":
        connection.execute(_FAIL_END, [problem, claim.alarm_id, claim.channel_id, claim.person])
    return row is not None


_FAIL_END: LiteralString = (
    "update alarm_deliveries set state = 'failed', problem = %b, settled_at = clock_timestamp() where alarm_id = %b "
    "and channel_id is not distinct from %b and person is not distinct from %b and change = 'ended' and state = 'due'"
)
"""Who was never told that it began is not told that it is over."""
