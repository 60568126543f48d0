"""The outbox: events are stored in the same transaction as the state that they report, and the relay publishes them
(architecture.md, P6)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection
from pydantic_core import to_json

from domain.topics import TRACEPARENT_HEADER
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.connections.notifications import was_notified
from infra.postgres.messaging.dead_letters import OUTBOX, DeadLetter, store_dead_letters

_CHANNEL: LiteralString = "witiop_outbox"


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """A record to publish."""

    topic: str
    key: str
    headers: Mapping[str, str]
    value: bytes

    def traced(self, traceparent: str | None) -> "OutboxRecord":
        """Returns the record as one that this step of a trace caused; None: no trace."""
        if traceparent is None:
            return self
        return replace(self, headers={**self.headers, TRACEPARENT_HEADER: traceparent})


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A record in the outbox, added at `at`, `age` seconds ago. Ids grow, but a lower id may be committed later than a
    higher one."""

    id: int
    at: datetime
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
            self._connection.execute(f"notify {_CHANNEL}")

    def listen(self) -> None:
        """Makes `wait` return as soon as records are added, until the connection is closed."""
        self._connection.execute(f"listen {_CHANNEL}")

    def wait(self, seconds: float) -> None:
        """Returns when records were added since the last call, but after `seconds` at the latest."""
        was_notified(self._connection, seconds)

    def read(self, low: int, limit: int, most_bytes: int) -> list[OutboxRow]:
        """Returns records with an id of at least `low`, in the order of their ids: at most `limit`, and no more after
        those whose values are `most_bytes` together."""
        # starting at `low` avoids the index entries of deleted rows before it, which vacuum has not removed yet
        rows = self._connection.execute(
            "select id, at, extract(epoch from clock_timestamp() - at)::float, topic, key, headers, value from ("
            "select o.*, sum(octet_length(value)) over (order by id) - octet_length(value) as before "
            "from (select * from outbox where id >= %b order by id limit %b) o) o where before < %b order by id",
            [low, limit, most_bytes],
        ).fetchall()
        return [OutboxRow(row[0], row[1], row[2], OutboxRecord(*row[3:])) for row in rows]

    def delete(self, ids: Sequence[int], refused: Sequence[tuple[OutboxRow, str]] = ()) -> None:
        """Deletes the records with these ids, which are published. `refused`: those of them that never can be, with the
        reasons; they become dead letters in the same transaction."""
        with self._connection.transaction() if refused else nullcontext():
            store_dead_letters(self._connection, [_dead_letter(row, reason) for row, reason in refused])
            self._connection.execute("delete from outbox where id = any(%b::bigint[])", [list(ids)])


def _dead_letter(row: OutboxRow, reason: str) -> DeadLetter:
    """Returns a record of the outbox as a dead letter; `restored` is the reverse."""
    record = row.record
    fields = {"topic": record.topic, "key": record.key, "headers": record.headers}
    # any bytes and any text can be written and read back this way, also what is no UTF-8
    raw = json.dumps({**fields, "value": record.value.decode("utf-8", "surrogateescape")}).encode()
    return DeadLetter("dead_letter", OUTBOX, reason, row.at, raw, record.topic, -1, row.id)


def restored(raw: bytes) -> OutboxRecord:
    """Returns the record in the bytes of a dead letter whose source is `OUTBOX`."""
    fields = json.loads(raw)
    value = fields["value"].encode("utf-8", "surrogateescape")
    return OutboxRecord(fields["topic"], fields["key"], fields["headers"], value)
