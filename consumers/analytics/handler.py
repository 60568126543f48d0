"""The `analytics` consumer: keeps the numbers about conversations up to date with our own public events. It reads them
as anybody else may, by the public contract."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from prometheus_client import Histogram
from psycopg import Connection
from pydantic import ValidationError

from consumers.analytics.counting import count
from consumers.batches.leftover import Leftover, dead_letter
from domain.contract.channels import ConversationEvent
from domain.statistics.observed import Observed, observed
from infra.kafka.consumer import IncomingRecord
from infra.postgres import directory
from infra.postgres.connections.clock import database_now
from infra.postgres.retention.marks import marks
from infra.postgres.statistics.contributions import lock_shared

_BEHIND = Histogram(
    "witiop_analytics_behind_seconds",
    "Age of public events when they are counted.",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)

_TYPES = ("witiop.conversation.", "witiop.mail.")
_ERASED = "witiop.conversation.erased.v1"


class Analytics:
    """The handler of the public topic of conversations."""

    def __init__(self) -> None:
        self._directories = directory.DirectoryCache()

    def apply(self, connection: Connection[Any], records: Sequence[IncomingRecord]) -> Leftover:
        """Counts the events of the records. Returns those that nobody can read. Raises psycopg errors."""
        leftover, seen = Leftover(), list[Observed]()
        for record in records:
            try:
                event = _read(record)
            except (ValidationError, ValueError, KeyError) as error:
                reason = f"not an event of a conversation ({type(error).__name__})"
                leftover.dead_letters.append(dead_letter(record, reason))
                continue
            if event is not None:
                seen.append(event)
        lock_shared(connection)
        erased = marks(connection, {each.conversation_id for each in seen}, ()).ids if seen else ()
        seen = [each for each in seen if each.conversation_id not in erased]
        count(connection, seen, self._directories.read(connection))
        if seen:
            now = database_now(connection)
            for record in records:
                _BEHIND.observe(max(0.0, (now - record.at).total_seconds()))
        return leftover


def _read(record: IncomingRecord) -> Observed | None:
    """Returns what a record says; None: it is of a type that came later than this program, or says that a customer was
    erased, which changes no number."""
    headers = record.headers
    type_ = headers["ce_type"]
    if not type_.startswith(_TYPES) or type_ == _ERASED:
        return None
    at = datetime.fromisoformat(headers["ce_time"])
    return observed(type_, at, ConversationEvent.model_validate_json(record.value))
