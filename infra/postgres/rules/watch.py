"""Which conversations rules are to look at, and when. A conversation that changed since the last look is found by
comparing the list with what was seen, so nothing is written while messages come in. Raises psycopg errors."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from infra.postgres.connections.arrays import column_arrays


class Looked(NamedTuple):
    """A conversation that rules have looked at, and when they look again. The fields have the order of the columns."""

    conversation_id: UUID
    version: int
    entries: int
    directory: int
    window_ends_at: datetime
    due_at: datetime | None


def note_changed(connection: Connection[Any], directory: int, limit: int) -> int:
    """Marks at most `limit` conversations on the list that changed since the last look, or were looked at by the rules
    of another directory, as due, those whose window ends first; returns how many. O(active conversations)."""
    return connection.execute(_NOTE_CHANGED, {"directory": directory, "limit": limit}).rowcount


def is_any_due(connection: Connection[Any], now: datetime) -> bool:
    """Returns whether some conversation is due."""
    return connection.execute("select from rule_watch where due_at <= %s limit 1", [now]).fetchone() is not None


def due(connection: Connection[Any], now: datetime, limit: int) -> list[UUID]:
    """Returns conversations that are due, the one whose window ends first on top."""
    return [id_ for (id_,) in connection.execute(_DUE, {"now": now, "limit": limit})]


def lock_due(connection: Connection[Any], now: datetime, conversations: Sequence[UUID]) -> list[UUID]:
    """Locks and returns those of the conversations that are still due and that nobody else has locked, in the order of
    `due`."""
    rows = connection.execute(_LOCK_DUE, {"now": now, "ids": list(conversations)})
    return [id_ for (id_,) in rows]


def write(connection: Connection[Any], looked: Iterable[Looked], gone: Collection[UUID]) -> None:
    """Notes what was looked at; `gone`: what is no longer on the list."""
    rows = sorted(looked, key=lambda each: each.conversation_id.int)
    if rows:
        connection.execute(_WRITE, column_arrays(rows))
    if gone:
        connection.execute("delete from rule_watch where conversation_id = any(%b::uuid[])", [list(gone)])


def judge_again(connection: Connection[Any], conversations: Sequence[UUID]) -> None:
    """Makes conversations due at once."""
    if conversations:
        connection.execute(
            "update rule_watch set due_at = '-infinity' where conversation_id = any(%b::uuid[])", [list(conversations)]
        )


def delete_gone(connection: Connection[Any]) -> int:
    """Deletes what is no longer on the list; returns how many. O(active conversations)."""
    return connection.execute(
        f"with listed as materialized ({_LISTED}) "
        "delete from rule_watch w where not exists (select from listed where listed.id = w.conversation_id)"
    ).rowcount


_LISTED: LiteralString = (
    "select id, version, entries, window_ends_at from conversations where unmanaged and status = 'a'"
)
"""Materialized where it is used: joined with it, PostgreSQL may go through all conversations in the order of ids."""
_NOTE_CHANGED: LiteralString = f"""
with listed as materialized ({_LISTED})
insert into rule_watch as w (conversation_id, version, entries, directory, window_ends_at, due_at)
select c.id, c.version, c.entries, %(directory)s, c.window_ends_at, '-infinity'
from listed c left join rule_watch w on w.conversation_id = c.id
where w.conversation_id is null or w.version <> c.version or w.entries <> c.entries or w.directory <> %(directory)s
order by c.window_ends_at, c.id limit %(limit)s
on conflict (conversation_id) do update set version = excluded.version, entries = excluded.entries,
  directory = excluded.directory, window_ends_at = excluded.window_ends_at, due_at = excluded.due_at
"""
_DUE: LiteralString = """
select conversation_id from rule_watch where due_at <= %(now)s
order by window_ends_at, conversation_id limit %(limit)s
"""
_LOCK_DUE: LiteralString = """
select conversation_id from rule_watch where conversation_id = any(%(ids)s) and due_at <= %(now)s
order by window_ends_at, conversation_id for update skip locked
"""
_WRITE: LiteralString = """
update rule_watch w set version = t.version, entries = t.entries, directory = t.directory,
  window_ends_at = t.window_ends_at, due_at = t.due_at
from unnest(%b::uuid[], %b::integer[], %b::integer[], %b::bigint[], %b::timestamptz[], %b::timestamptz[])
  as t (conversation_id, version, entries, directory, window_ends_at, due_at)
where w.conversation_id = t.conversation_id
"""
