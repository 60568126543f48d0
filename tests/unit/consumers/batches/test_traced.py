"""Records of a batch continue the traces that they belong to, and what became of them is the end of their steps."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from consumers.batches.traced import TracedBatch, TracedPublishing
from domain.ports import Delivery
from infra.kafka.consumer import IncomingRecord
from infra.postgres.messaging.outbox import OutboxRecord, OutboxRow
from infra.process.traces import Traces
from tests.support.collector import Collector

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
def traces(collector: Collector) -> Iterator[Traces]:
    made = Traces("conversations", collector.endpoint, 1.0)
    yield made
    made.close()


def record(offset: int, *headers: tuple[str, bytes]) -> IncomingRecord:
    return IncomingRecord("inbound", 0, offset, NOW, b"", headers)


def begun(traces: Traces) -> str:
    step = traces.begin("POST", "server", {})
    assert step is not None
    step.end()
    return step.traceparent


def test_a_record_of_a_trace_gets_a_step_and_is_the_beginning_of_the_next(collector: Collector, traces: Traces) -> None:
    own, other = begun(traces), ("other", b"x")
    with TracedBatch(traces, "group", [record(7, other, ("traceparent", own.encode())), record(8, other)]) as batch:
        traced, untraced = batch.records
    traces.close()
    (step,) = collector.named("process inbound")
    assert [("other", b"x"), ("traceparent", f"00-{step.trace}-{step.id}-01".encode())] == list(traced.raw_headers)
    assert [other] == list(untraced.raw_headers)
    assert ("7", "2", "") == (
        step.attributes["messaging.kafka.offset"],
        step.attributes["messaging.batch.message_count"],
        step.failure,
    )


def test_a_batch_that_fails_ends_its_steps_with_the_name_of_the_error_and_without_its_words(
    collector: Collector, traces: Traces
) -> None:
    records = [record(7, ("traceparent", begun(traces).encode()))]
    with pytest.raises(ValueError, match="my card"), TracedBatch(traces, "group", records):
        raise ValueError("my card is 4000")
    traces.close()
    assert ["ValueError"] == [step.failure for step in collector.named("process inbound")]
    assert not any(b"4000" in body for body in collector.raw)


def test_without_traces_a_batch_is_what_it_was() -> None:
    records = [record(7, ("traceparent", b"00-1-1-01"))]
    with TracedBatch(None, "group", records) as batch:
        assert batch.records is records


def test_the_steps_of_publishing_say_what_became_of_each_record(collector: Collector, traces: Traces) -> None:
    own = begun(traces)
    rows = [OutboxRow(n, NOW, 0.25, OutboxRecord("events", "k", {"traceparent": own}, b"")) for n in range(3)]
    rows.append(OutboxRow(3, NOW, 0.25, OutboxRecord("events", "k", {}, b"")))
    with TracedPublishing(traces, rows) as publishing:
        headers = [row.record.headers.get("traceparent") for row in publishing.rows]
        publishing.ended([Delivery(True), Delivery(False), Delivery(False, "too large"), Delivery(True)])
    traces.close()
    steps = collector.named("publish events")
    assert ["", "not_acknowledged", "refused"] == [step.failure for step in steps]
    assert [*(f"00-{step.trace}-{step.id}-01" for step in steps), None] == headers
    assert {"250"} == {step.attributes["witiop.outbox.milliseconds"] for step in steps}
