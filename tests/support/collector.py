"""A stand-in for an OpenTelemetry collector: it takes OTLP over HTTP and keeps the steps of traces."""

import gzip
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from infra.local.ports import LOOPBACK


class ExportedStep(NamedTuple):
    """A step as it was exported. `parent`: empty for the first one of a trace; `failure`: empty without one."""

    process: str
    name: str
    trace: str
    id: str
    parent: str
    failure: str
    attributes: Mapping[str, str]


class Collector:
    """Listens on this machine, as a context manager."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.steps: list[ExportedStep] = []
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                own.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_port}/v1/traces"

    def take(self, body: bytes) -> None:
        """Keeps the steps of an export."""
        self.raw.append(body)
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {each.key: each.value.string_value for each in of_resource.resource.attributes}
            for span in (span for scope in of_resource.scope_spans for span in scope.spans):
                attributes = {
                    each.key: each.value.string_value or str(each.value.int_value) for each in span.attributes
                }
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                self.steps.append(ExportedStep(names["service.name"], span.name, *ids, span.status.message, attributes))

    def children(self, of: ExportedStep) -> list[ExportedStep]:
        """The steps that followed this one."""
        return [each for each in list(self.steps) if (each.trace, each.parent) == (of.trace, of.id)]

    def named(self, name: str) -> list[ExportedStep]:
        return [each for each in list(self.steps) if each.name == name]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
