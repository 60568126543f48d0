"""Stores dead letters with their raw bytes, in the transaction that skips them (P4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid5

from psycopg import Connection

from infra.postgres.connections.arrays import column_arrays

_NAMESPACE = UUID("0d1c2f0a-6a4b-5b0e-8f5a-3f1f2a9d7e10")


OUTBOX = "outbox"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An unreadable body, a poison record, or a record of the outbox, unique by topic, partition, offset and time.

    `source` names the reader of the bytes: `whatsapp`, `softbot`, `agents`, `ses`, or `inbound` for a poison record. A
    record of the outbox that can never be published has the source `OUTBOX`, partition -1, and its id there as offset.
    `reason` contains no personal data.
    """

    kind: Literal["unreadable", "dead_letter"]
    source: str
    reason: str
    received_at: datetime
    raw: bytes
    topic: str
    partition: int
    offset: int

    @property
    def id(self) -> UUID:
        return uuid5(_NAMESPACE, f"{self.topic}:{self.partition}:{self.offset}:{self.received_at.isoformat()}")


def store_dead_letters(connection: Connection[Any], records: Iterable[DeadLetter]) -> None:
    """Inserts dead letters in the caller's transaction and leaves existing ones unchanged. One that an erasure removed
    does not come back. Raises psycopg errors."""
    rows = [
        (r.id, r.kind, r.source, r.reason, r.received_at, r.raw, r.topic, r.partition, r.offset)
        for r in sorted(records, key=lambda r: (r.topic, r.partition, r.offset))
    ]
    if rows:
        connection.execute(
            'insert into set_aside (id, kind, source, reason, received_at, raw, topic, partition, "offset") '
            "select * from unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::bytea[], "
            "%b::text[], %b::integer[], %b::bigint[]) as t (id) "
            "where not exists (select from erased_ids e where e.id = t.id) on conflict do nothing",
            column_arrays(rows),
        )
