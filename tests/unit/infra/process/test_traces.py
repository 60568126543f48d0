"""Traces are exported as one tree across processes, cost nothing where they are off, and nobody waits for them."""

from collections.abc import Iterator
from time import monotonic

import pytest

from infra.local.ports import LOOPBACK, free_port
from infra.process.traces import Traces
from tests.support.collector import Collector
from tests.support.own_process import run_python

LONG = 2.5


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def test_the_next_process_continues_the_trace_of_the_one_before(collector: Collector) -> None:
    webhook, consumer = (Traces(name, collector.endpoint, 1.0) for name in ("webhook", "conversations"))
    first = webhook.begin("POST /webhooks/whatsapp", "server", {"witiop.facts": 2}, seconds_ago=1.0)
    assert first is not None
    second = consumer.resume(first.traceparent, "process inbound", "consumer", {})
    assert second is not None
    second.end("FencedOut")
    first.end()
    consumer.close()
    webhook.close()
    (root,) = collector.named("POST /webhooks/whatsapp")
    assert ("webhook", "", "", {"witiop.facts": "2"}) == (root.process, root.parent, root.failure, root.attributes)
    assert [("conversations", "FencedOut")] == [(each.process, each.failure) for each in collector.children(root)]


def test_a_trace_that_is_not_in_the_share_has_no_steps(collector: Collector) -> None:
    traces = Traces("webhook", collector.endpoint, 0.0)
    assert traces.begin("POST", "server", {}) is None
    traces.close()
    assert [] == collector.steps


@pytest.mark.parametrize(
    "header",
    ["", "nonsense", "00-0-0-01", f"00-{'ab' * 16}-{'cd' * 8}-00", "\ufffd" * 55, f"00-{'0' * 32}-{'0' * 16}-01"],
)
def test_a_header_that_is_none_or_not_recorded_begins_no_step(header: str, collector: Collector) -> None:
    """Anybody may write to a topic; and who began a trace decides whether it is recorded."""
    traces = Traces("conversations", collector.endpoint, 1.0)
    assert traces.resume(header, "process", "consumer", {}) is None
    traces.close()


def test_a_collector_that_is_away_delays_neither_the_work_nor_the_end() -> None:
    traces = Traces("webhook", f"http://{LOOPBACK}:{free_port()}/v1/traces", 1.0)
    began = monotonic()
    for _ in range(3000):  # more than the queue holds
        step = traces.begin("POST", "server", {})
        assert step is not None
        step.end()
    traces.close()
    assert monotonic() - began < LONG + 2


def test_a_process_without_traces_imports_nothing_of_them() -> None:
    """They cost 7 MB of memory and a tenth of a second (docs/decisions/0023)."""
    program = (
        "import sys, webhook.app, console.app, witiop.wiring.processes, consumers.workers.relay\n"
        "import consumers.batches.batch_loop, consumers.handlers.conversations, consumers.handlers.commands\n"
        "sys.exit([name for name in sys.modules if name.startswith('opentelemetry')] or 0)"
    )
    done = run_python(program)
    assert (0, "") == (done.returncode, done.stderr.strip())
