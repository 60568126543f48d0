"""The outbox: events are stored in the same transaction as the state that they report, and the relay publishes them
(architecture.md, P6)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from pydantic_core import to_json

from infra.postgres.connections.arrays import column_arrays


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """A record to publish."""

    topic: str
    key: str
    headers: Mapping[str, str]
    value: bytes


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A record in the outbox. `age`: seconds since it was added. Ids grow, but a lower id may be committed later than a
    higher one."""

    id: int
    age: float
    record: OutboxRecord


class Outbox:
    """The outbox on one connection. Raises psycopg errors."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def add(self, records: Iterable[OutboxRecord]) -> None:
        """Adds records in the given order, in the caller's transaction."""
        rows = [(r.topic, r.key, to_json(r.headers).decode(), r.value) for r in records]
        if rows:
            self._connection.execute(
                "insert into outbox (topic, key, headers, value) select topic, key, headers::json, value "
                "from unnest(%b::text[], %b::text[], %b::text[], %b::bytea[]) with ordinality "
                "as t (topic, key, headers, value, place) order by place",
                column_arrays(rows),
            )

    def read(self, low: int, limit: int) -> list[OutboxRow]:
        """Returns at most `limit` records with an id of at least `low`, in the order of their ids."""
        # starting at `low` avoids the index entries of deleted rows before it, which vacuum has not removed yet
        rows = self._connection.execute(
            "select id, extract(epoch from clock_timestamp() - at)::float, topic, key, headers, value "
            "from outbox where id >= %b order by id limit %b",
            [low, limit],
        ).fetchall()
        return [OutboxRow(row[0], row[1], OutboxRecord(*row[2:])) for row in rows]

    def delete(self, ids: Sequence[int]) -> None:
        """Deletes the records with these ids, which the broker has acknowledged."""
        self._connection.execute("delete from outbox where id = any(%b::bigint[])", [list(ids)])
