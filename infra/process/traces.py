"""Traces: how long each step took that an update or a command went through, across processes
(docs/design/observability.md).

Off by default: then nobody makes a `Traces`, nothing of OpenTelemetry is imported, and no record has a header more.
Attributes are names of ours, counts and positions of records, never content: what `TracedStep` is given leaves this
installation.
"""

import threading
from collections.abc import Mapping
from time import time_ns
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opentelemetry.trace import Span

StepKind = Literal["server", "producer", "consumer", "internal"]
Attributes = Mapping[str, str | int]

_TRACER = "witiop"
_EXPORT_SECONDS = 5.0
"""How long one export may take, with its repeats. What cannot be exported is dropped: the queue has room for 2,048
steps (`OTEL_BSP_MAX_QUEUE_SIZE`)."""
_CLOSE_SECONDS = 2.0


class TracedStep:
    """A step that is under way. `traceparent`: what the next step continues, as in the W3C header of that name."""

    def __init__(self, span: "Span") -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def end(self, failure: str | None = None) -> None:
        """Ends the step. `failure`: the name of an error, without its message, which may quote content."""
        if failure is not None:
            from opentelemetry.trace import Status, StatusCode

            self._span.set_status(Status(StatusCode.ERROR, failure))
        self._span.end()


class Traces:
    """Exports the steps of one process to an OpenTelemetry collector, in a thread of its own. Make it after a fork. A
    collector that is away or slow delays nothing. Thread-safe.

    Reads the variables of OpenTelemetry for what is not given here, e.g. `OTEL_EXPORTER_OTLP_HEADERS`."""

    def __init__(self, process: str, endpoint: str, share: float) -> None:
        """`endpoint`: URL of the collector's OTLP over HTTP, e.g. `http://collector:4318/v1/traces`. `share`: of the
        traces that begin here, 0 to 1."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource.create({"service.name": process, "service.namespace": "witiop"})
        self._provider = TracerProvider(
            ParentBased(TraceIdRatioBased(share)), resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=_EXPORT_SECONDS)))
        self._tracer = self._provider.get_tracer(_TRACER)
        self._extract = TraceContextTextMapPropagator().extract
        self._kinds = {kind: SpanKind[kind.upper()] for kind in ("server", "producer", "consumer", "internal")}

    def begin(self, name: str, kind: StepKind, attributes: Attributes, seconds_ago: float = 0.0) -> TracedStep | None:
        """Begins a trace with its first step, which began so many seconds ago; None: this trace is not in the share."""
        started = time_ns() - int(seconds_ago * 1e9)
        span = self._tracer.start_span(name, kind=self._kinds[kind], attributes=attributes, start_time=started)
        return TracedStep(span) if span.is_recording() else None

    def resume(self, traceparent: str, name: str, kind: StepKind, attributes: Attributes) -> TracedStep | None:
        """Begins the next step of a trace; None: the header is none, or its trace is not recorded."""
        context = self._extract({"traceparent": traceparent})
        if not context:
            return None
        span = self._tracer.start_span(name, context, self._kinds[kind], attributes)
        return TracedStep(span) if span.is_recording() else None

    def close(self) -> None:
        """Exports what is left, as far as that takes no more than `_CLOSE_SECONDS`."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        ending.start()  # it may try for as many times `_EXPORT_SECONDS` as there are batches in the queue
        ending.join(_CLOSE_SECONDS)
