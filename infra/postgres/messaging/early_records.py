"""Early records: they name a conversation that another partition may still bring. They are stored in the transaction
that moves the position past them, and wait here for the watermark (architecture.md, P4). Raises psycopg errors."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from infra.postgres.connections.arrays import column_arrays

_LOOKED_AT = 1000
"""The oldest records are looked up often, to find their conversations soon; all others when the watermark reaches
them."""
_BYTES = 8 * 1024 * 1024


class EarlyRecord(NamedTuple):
    """A record that waits for its conversation. `received_at`: when the broker accepted it (aware UTC)."""

    topic: str
    partition: int
    offset: int
    received_at: datetime
    raw: bytes
    conversation_id: UUID


def store_early_records(connection: Connection[Any], records: Iterable[EarlyRecord]) -> None:
    """Inserts records in the caller's transaction and leaves existing ones unchanged."""
    if rows := sorted(records):
        connection.execute(
            'insert into early_records (topic, partition, "offset", received_at, raw, conversation_id) '
            "select * from unnest(%b::text[], %b::integer[], %b::bigint[], %b::timestamptz[], %b::bytea[], %b::uuid[]) "
            "on conflict do nothing",
            column_arrays(rows),
        )


def decidable(connection: Connection[Any], watermark: datetime, limit: int) -> list[EarlyRecord]:
    """Returns records whose conversation exists by now or that the watermark has passed, the oldest first: at most
    `limit`, of about 8 MiB together. Takes no lock. O(limit)."""
    rows = connection.execute(
        'select topic, partition, "offset", received_at, raw, conversation_id from (select e.*, '
        "sum(octet_length(raw)) over (order by received_at rows unbounded preceding) - octet_length(raw) as before "
        "from (select * from early_records order by received_at limit %b) e where received_at < %b "
        "or exists (select from conversations c where c.id = e.conversation_id)) e "
        "where before < %b order by received_at limit %b",
        [max(limit, _LOOKED_AT), watermark, _BYTES, limit],
    ).fetchall()
    return [EarlyRecord._make(row) for row in rows]


def lock(connection: Connection[Any], records: Sequence[EarlyRecord]) -> list[EarlyRecord]:
    """Locks those of the records that still wait and that nobody else has locked, and returns them."""
    rows = connection.execute(
        'select e.topic, e.partition, e."offset", e.received_at from early_records e '
        "join unnest(%b::text[], %b::integer[], %b::bigint[], %b::timestamptz[]) "
        'as t (topic, partition, "offset", received_at) using (topic, partition, "offset", received_at) '
        "for update of e skip locked",
        _keys(records),
    ).fetchall()
    locked = set(rows)
    return [record for record in records if record[:4] in locked]


def delete(connection: Connection[Any], records: Sequence[EarlyRecord]) -> None:
    """Deletes locked records: they were processed, or became dead letters."""
    if records:
        connection.execute(
            "delete from early_records e using unnest(%b::text[], %b::integer[], %b::bigint[], %b::timestamptz[]) "
            'as t (topic, partition, "offset", received_at) where e.topic = t.topic and e.partition = t.partition '
            'and e."offset" = t."offset" and e.received_at = t.received_at',
            _keys(records),
        )


def _keys(records: Iterable[EarlyRecord]) -> list[list[Any]]:
    return column_arrays(record[:4] for record in records)
