"""Facts for the `conversations` handler, on a real database without a broker."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from consumers.batches.leftover import Leftover
from consumers.handlers.conversations import Conversations
from domain.facts import FACT
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord


class Inbox:
    """Passes facts to the handler as records of the inbound topic."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self.handler = Conversations(Topics())
        self._offset = 0

    def take(self, *facts: object, now: datetime) -> Leftover:
        """Processes the facts as one batch, in one transaction. Returns what was not processed."""
        with self.connection.transaction():
            return self.handler.apply(self.connection, self.records(facts, now))

    def records(self, facts: Sequence[object], now: datetime) -> list[IncomingRecord]:
        records = []
        for fact in facts:
            value = fact if isinstance(fact, bytes) else FACT.dump_json(fact)  # type: ignore[arg-type]
            records.append(IncomingRecord("witiop.inbound.v1", 0, self._offset, now, value, ()))
            self._offset += 1
        return records

    def rows(self, statement: str) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement).fetchall()
