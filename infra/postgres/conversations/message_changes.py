"""What customers did to their messages afterwards: one row per message that was edited or deleted. All functions run in
the caller's transaction and raise psycopg errors."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from psycopg import Connection

from domain.conversations.conversation import FactRef
from domain.conversations.evidence.message_changes import MessageChange
from infra.postgres.connections.arrays import column_arrays

MessageKey = tuple[str, str]
"""The number's id and the wamid of a message."""


def read_changes(connection: Connection[Any], messages: Collection[MessageKey]) -> dict[MessageKey, MessageChange]:
    """Returns the changes of those of the messages that were edited or deleted. O(messages)."""
    if not messages:
        return {}
    rows = connection.execute(
        "select m.phone_number_id, m.wamid, m.edited_at, m.arrival, m.input_id, m.body, m.deleted, m.failed "
        "from unnest(%b::text[], %b::text[]) as t (phone_number_id, wamid) "
        "join message_changes m on m.phone_number_id = t.phone_number_id and m.wamid = t.wamid",
        column_arrays(sorted(messages)),
    ).fetchall()
    return {
        (number, wamid): MessageChange(
            None if edited_at is None else FactRef(edited_at, arrival, input_id), body, deleted, failed
        )
        for number, wamid, edited_at, arrival, input_id, body, deleted, failed in rows
    }


def write_changes(connection: Connection[Any], changes: Iterable[tuple[MessageKey, MessageChange]]) -> None:
    """Merges changes into those that are stored: the latest edit counts, and a deletion is final."""
    merged: dict[MessageKey, MessageChange] = {}
    for key, change in changes:
        merged[key] = change.merged(merged.get(key))
    rows = [
        (*key, *_edit(change), change.text, change.deleted, change.failed) for key, change in sorted(merged.items())
    ]
    if rows:
        connection.execute(_WRITE, column_arrays(rows))


def as_mapping(changes: Mapping[MessageKey, MessageChange], number: str) -> dict[str, MessageChange]:
    """Returns the changes of one number's messages, by wamid."""
    return {wamid: change for (of, wamid), change in changes.items() if of == number}


def _edit(change: MessageChange) -> tuple[object, object, object]:
    return change.edited or (None, None, None)


_WRITE = """
insert into message_changes as m (phone_number_id, wamid, edited_at, arrival, input_id, body, deleted, failed)
select * from unnest(%b::text[], %b::text[], %b::timestamptz[], %b::bigint[], %b::uuid[], %b::text[], %b::boolean[],
  %b::boolean[])
on conflict (phone_number_id, wamid) do update set
  (edited_at, arrival, input_id, body) = (
    select l.edited_at, l.arrival, l.input_id, l.body
    from (values (m.edited_at, m.arrival, m.input_id, m.body),
        (excluded.edited_at, excluded.arrival, excluded.input_id, excluded.body)
      ) as l (edited_at, arrival, input_id, body)
    order by l.edited_at desc nulls last, l.arrival desc, l.input_id desc limit 1
  ),
  deleted = m.deleted or excluded.deleted,
  failed = m.failed or excluded.failed,
  words_seen = false
"""
