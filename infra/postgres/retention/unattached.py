"""Removes what belongs to no conversation and is older than its number keeps what was written: messages to people who
never wrote, updates that are stored as they came, dead letters. Raises psycopg errors."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, LiteralString

from psycopg import Connection

from domain.retention.periods import Retention, longest
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.retention.expiry import horizons

_OLD_SENDS: LiteralString = """
with old as materialized (
  select s.id, s.phone_number_id, s.wamid from sends s
  join unnest(%b::text[], %b::timestamptz[]) as k (number, before) on s.phone_number_id = k.number
  where s.conversation_id is null and s.requested_at < k.before and s.requested_at < %b
    and s.state not in ('queued', 'sending', 'held_after_restore')
  order by s.requested_at limit %b
), log as (
  delete from send_log l using old where l.send_id = old.id
), statuses as (
  delete from message_status m using old where m.phone_number_id = old.phone_number_id and m.wamid = old.wamid
)
delete from sends s using old where s.id = old.id and s.state not in ('queued', 'sending', 'held_after_restore')
"""
_OLD_NOTICES: LiteralString = """
delete from notices n using (
  select n.input_id from notices n
  left join unnest(%(numbers)b::text[], %(before)b::timestamptz[]) as k (number, before) on k.number = n.phone_number_id
  where n.at < case when n.phone_number_id = any(%(known)b::text[]) then k.before else %(others)b end
  limit %(most)b
) old where n.input_id = old.input_id
"""
_OLD_DEAD_LETTERS: LiteralString = """
delete from set_aside s using (
  select id from set_aside where received_at < %b order by received_at, id limit %b
) old where s.id = old.id
"""
_OLD_STATUSES: LiteralString = """
delete from message_status m using unnest(%(numbers)b::text[], %(before)b::timestamptz[]) as k (number, before)
where m.ctid >= %(first)b::text::tid and m.ctid < %(end)b::text::tid and m.phone_number_id = k.number
  and greatest(m.succeeded_at, m.failed_at) < k.before
"""
STATUSES_STAY = timedelta(days=31)
"""Statuses of messages that nobody here knows are kept for so much longer than messages: those of a message that is
still there, because its conversation went on, are older than it."""
_BLOCKS = 2000
"""Of a table that no index has by time: 16 MiB, with some 100,000 statuses."""


def remove_old_sends(connection: Connection[Any], now: datetime, kept: Mapping[str, Retention], most: int) -> int:
    """Removes messages that led to no conversation, as those of campaigns that nobody answered, with what is known of
    their delivery; returns how many. O(most) from the index of the time."""
    before = horizons([(number, of.texts) for number, of in kept.items()], now)
    if not before:
        return 0
    values = [*column_arrays(before), max(at for _, at in before), most]
    return connection.execute(_OLD_SENDS, values).rowcount


def remove_old_notices(connection: Connection[Any], now: datetime, kept: Mapping[str, Retention], most: int) -> int:
    """Removes updates that belong to no conversation, such as old messages of a number that was connected; returns how
    many. What is about no number is kept as long as the number with the longest time keeps its own. Reads the table
    once."""
    before = horizons([(number, of.texts) for number, of in kept.items()], now)
    if not before:
        return 0
    values = {
        "numbers": [number for number, _ in before],
        "before": [at for _, at in before],
        "others": _of_all(kept, now),
        "known": [*kept],
        "most": most,
    }
    return connection.execute(_OLD_NOTICES, values).rowcount


def remove_old_dead_letters(
    connection: Connection[Any], now: datetime, kept: Mapping[str, Retention], most: int
) -> int:
    """Removes dead letters that are older than every number keeps its messages: replayed, their facts would not be
    stored any more. Returns how many. O(most)."""
    before = _of_all(kept, now)
    return connection.execute(_OLD_DEAD_LETTERS, [before, most]).rowcount if before is not None else 0


def remove_old_statuses(
    connection: Connection[Any], now: datetime, kept: Mapping[str, Retention], first: int
) -> tuple[int, int]:
    """Removes old statuses of messages that nobody here knows, as those of other programs that send from a number, from
    a part of the table; returns how many, and the block with which the next part begins; 0: it was the last one."""
    before = horizons([(number, of.texts) for number, of in kept.items()], now - STATUSES_STAY)
    if not before:
        return 0, 0
    numbers, times = column_arrays(before)
    values = {"numbers": numbers, "before": times, "first": f"({first},0)", "end": f"({first + _BLOCKS},0)"}
    removed = connection.execute(_OLD_STATUSES, values).rowcount
    row = connection.execute(
        "select pg_relation_size('message_status') / current_setting('block_size')::bigint"
    ).fetchone()
    following = first + _BLOCKS
    return removed, following if row is not None and following < row[0] else 0


def _of_all(kept: Mapping[str, Retention], now: datetime) -> datetime | None:
    """Returns the time before which all numbers removed what was written; None: one keeps it for ever."""
    days = longest(of.texts for of in kept.values())
    return now - timedelta(days=days) if days is not None else None
