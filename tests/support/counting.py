"""The analytics on a real database: public events are taken from the outbox, as from the topic."""

from collections.abc import Sequence
from typing import Any

from consumers.analytics.handler import Analytics
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from tests.support.office import Office

TABLES = ("stat_contributions", "stat_offers", "stat_hours", "stat_times", "stat_steps", "stat_agents", "stat_rules")


class CountingRoom:
    """The handler `analytics` beside an office."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.handler = Analytics()

    def published(self) -> list[IncomingRecord]:
        """Returns all public events about conversations so far, as records."""
        rows = self.office.rows(f"select * from outbox where topic = '{Topics().conversations}' order by id")
        return [
            IncomingRecord(
                row["topic"],
                0,
                row["id"],
                row["at"],
                bytes(row["value"]),
                [(name, value.encode()) for name, value in row["headers"].items()],
            )
            for row in rows
        ]

    def take(self, records: Sequence[IncomingRecord]) -> None:
        """Counts some records in one transaction."""
        with self.office.connection.transaction():
            left = self.handler.apply(self.office.connection, records)
        assert [] == left.dead_letters

    def catch_up(self, at_once: int = 7) -> None:
        """Counts everything that was published, in batches."""
        records = self.published()
        for begin in range(0, len(records), at_once):
            self.take(records[begin : begin + at_once])

    def counted(self) -> dict[str, list[dict[str, Any]]]:
        """Returns all contributions and all cells that are not 0."""
        found = {}
        for table in TABLES:
            rows = self.office.rows(f"select * from {table} order by 1, 2, 3, 4")
            found[table] = [row for row in rows if table in TABLES[:2] or _is_counted(row)]
        return found

    def forget(self) -> None:
        """Empties all tables."""
        for table in TABLES:
            self.office.connection.execute(f"delete from {table}")


def _is_counted(row: dict[str, Any]) -> bool:
    return any(value for name, value in row.items() if isinstance(value, int) and name not in ("hour", "bucket"))
