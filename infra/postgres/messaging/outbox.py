"""The only way out: events are kept in the transaction of the state they tell of; the relay publishes them (P6)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from pydantic_core import to_json

from infra.postgres.connections.arrays import column_arrays


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """A record that will be published."""

    topic: str
    key: str
    headers: Mapping[str, str]
    value: bytes


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A record in the outbox; ids grow, but may be committed late. `age`: seconds since it was put there."""

    id: int
    age: float
    record: OutboxRecord


class Outbox:
    """On one connection. Raises psycopg errors."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def add(self, records: Iterable[OutboxRecord]) -> None:
        """In the caller's transaction, in the given order."""
        rows = [(r.topic, r.key, to_json(r.headers).decode(), r.value) for r in records]
        if rows:
            self._connection.execute(
                "insert into outbox (topic, key, headers, value) select topic, key, headers::json, value "
                "from unnest(%b::text[], %b::text[], %b::text[], %b::bytea[]) with ordinality "
                "as t (topic, key, headers, value, place) order by place",
                column_arrays(rows),
            )

    def read(self, low: int, limit: int) -> list[OutboxRow]:
        """The first records with an id of at least `low`, in the order of their ids. A low id spares the index the dead
        rows before it."""
        rows = self._connection.execute(
            "select id, extract(epoch from clock_timestamp() - at)::float, topic, key, headers, value "
            "from outbox where id >= %b order by id limit %b",
            [low, limit],
        ).fetchall()
        return [OutboxRow(row[0], row[1], OutboxRecord(*row[2:])) for row in rows]

    def delete(self, ids: Sequence[int]) -> None:
        """What was acknowledged by the broker."""
        self._connection.execute("delete from outbox where id = any(%b::bigint[])", [list(ids)])
