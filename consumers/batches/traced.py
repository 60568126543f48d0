"""Traces through batches of records, read or published: each record that belongs to a trace gets a step of its own
(docs/design/observability.md). Without traces nothing here costs anything."""

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from psycopg import Connection

from domain.ports import Delivery
from domain.topics import TRACEPARENT_HEADER
from infra.kafka.consumer import IncomingRecord
from infra.postgres.connections.hints import tell_traces
from infra.postgres.messaging.outbox import OutboxRow
from infra.process.traces import TracedStep, Traces


class TracedBatch:
    """The steps of a batch, as a context manager: they begin at once, and end with the block. `records`: those of the
    batch; what they cause continues their steps.

    `traces`: None if they are off."""

    def __init__(self, traces: Traces | None, group: str, records: Sequence[IncomingRecord]) -> None:
        self.records = records
        self._steps: list[TracedStep] = []
        if traces is not None:
            self.records = [self._traced(traces, group, record, len(records)) for record in records]

    def tell(self, connection: Connection[Any]) -> None:
        """Tells those who show what changes which steps changed it, once the transaction is committed."""
        if self._steps:
            tell_traces(connection, [step.traceparent for step in self._steps])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for step in self._steps:
            step.end(None if kind is None else kind.__name__)

    def _traced(self, traces: Traces, group: str, record: IncomingRecord, size: int) -> IncomingRecord:
        traceparent = record.traceparent
        if traceparent is None:
            return record
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.consumer.group.name": group,
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "messaging.batch.message_count": size,
        }
        step = traces.resume(traceparent, f"process {record.topic}", "consumer", attributes)
        if step is None:
            return record
        self._steps.append(step)
        return record.traced(step.traceparent)


class TracedPublishing:
    """The steps of records that are published from the outbox, as a context manager. `rows`: those of the outbox; who
    reads them continues their steps.

    `traces`: None if they are off."""

    def __init__(self, traces: Traces | None, rows: Sequence[OutboxRow]) -> None:
        self.rows = rows
        self._steps: dict[int, TracedStep] = {}
        if traces is not None:
            self.rows = [self._traced(traces, row) for row in rows]

    def ended(self, deliveries: Sequence[Delivery]) -> None:
        """Ends the steps. `deliveries`: what became of the rows, in their order."""
        for row, delivery in zip(self.rows, deliveries, strict=True):
            if (step := self._steps.pop(row.id, None)) is not None:
                refused = "refused" if delivery.refused is not None else "not_acknowledged"
                step.end(None if delivery.acknowledged else refused)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for step in self._steps.values():
            step.end(None if kind is None else kind.__name__)

    def _traced(self, traces: Traces, row: OutboxRow) -> OutboxRow:
        record = row.record
        traceparent = record.headers.get(TRACEPARENT_HEADER)
        if traceparent is None:
            return row
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.destination.name": record.topic,
            "witiop.outbox.milliseconds": round(row.age * 1000),
        }
        step = traces.resume(traceparent, f"publish {record.topic}", "producer", attributes)
        if step is None:
            return row
        self._steps[row.id] = step
        return replace(row, record=record.traced(step.traceparent))
