"""The monitor: metrics and health of a process, served on a port of its own."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import AF_INET, AF_INET6, create_connection, socket
from socketserver import ThreadingMixIn

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from infra.process.readiness import ALIVE, readiness

_REQUEST_SECONDS = 5
_REQUESTS_AT_ONCE = 8
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the addresses that stand for all of a machine
"""Where a server that listens on all addresses can be reached."""

ReadinessCheck = Callable[[], str | None]
"""Returns why a part of the process is not ready, without personal data; None when it is. Must return within two
seconds."""


@contextmanager
def monitor(
    host: str, port: int, checks: Mapping[str, ReadinessCheck], registry: CollectorRegistry = REGISTRY
) -> Iterator[tuple[str, int]]:
    """Serves on this address until the end of the block. Yields the address, with the actual port if `port` is 0.

    `/metrics` is for Prometheus; `/healthz` answers 200; `/readyz` answers 200, or 503 with a JSON body that lists the
    reasons of all failed checks; `witiop_ready` says the same to Prometheus. Serves at most eight requests at once and
    waits at most five seconds for each, so that a stuck client affects nothing else.

    Raises:
        OSError: the address is in use, or not an address of this machine.
    """
    try:
        server = _Server(host, port, checks, registry)
    except OSError as error:
        raise OSError(error.errno, f"the monitor cannot listen on {host}:{port}: {error.strerror}") from error
    readiness_metric = ReadinessMetric(checks)
    registry.register(readiness_metric)
    thread = threading.Thread(target=server.serve, name="monitor", daemon=True)
    thread.start()
    try:
        yield host, server.server_port
    finally:
        registry.unregister(readiness_metric)
        server.stop()
        thread.join(_REQUEST_SECONDS)
        server.server_close()


class ReadinessMetric(Collector):
    """What `/readyz` answers, as a metric: the checks are made when Prometheus asks."""

    def __init__(self, checks: Mapping[str, ReadinessCheck]) -> None:
        self._checks = checks

    def describe(self) -> list[Metric]:
        """Returns nothing, so that registering makes no check."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yields 1 if all checks pass, else 0."""
        is_ready = all(check() is None for check in self._checks.values())
        yield GaugeMetricFamily("witiop_ready", "1 if the process is ready, as /readyz says; else 0.", value=is_ready)


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False  # a stuck client must not delay the shutdown

    def __init__(self, host: str, port: int, checks: Mapping[str, ReadinessCheck], registry: CollectorRegistry) -> None:
        self.checks = checks
        self.registry = registry
        self.address_family = AF_INET6 if ":" in host else AF_INET
        self._free = threading.BoundedSemaphore(_REQUESTS_AT_ONCE)
        self._is_stopped = False
        self._host = _LOOPBACK.get(host, host)
        super().__init__((host, port), _Handler)

    def serve(self) -> None:
        """Answers requests until `stop` is called. Sleeps while there are none: `serve_forever` wakes up to see whether
        it shall end, twenty times a second for a quick end."""
        while not self._is_stopped:
            self.handle_request()

    def stop(self) -> None:
        """Makes `serve` return."""
        self._is_stopped = True
        with suppress(OSError):  # any connection wakes it up
            create_connection((self._host, self.server_port), _REQUEST_SECONDS).close()

    def process_request(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Does nothing: client disconnects and timeouts are not logged."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _REQUEST_SECONDS

    def do_GET(self) -> None:
        """Answers one request; the connection is closed after it."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._send(200, content_type, encode(self.server.registry))
        elif path == "/healthz":
            self._send_json(200, ALIVE)
        elif path == "/readyz":
            reasons = [f"{name}: {reason}" for name, check in self.server.checks.items() if (reason := check())]
            document, status = readiness(reasons)
            self._send_json(status, document)
        else:
            self._send_json(404, {"paths": ["/metrics", "/healthz", "/readyz"]})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server uses
        """Does nothing: requests to the monitor are not logged."""

    def _send_json(self, status: int, document: dict[str, object]) -> None:
        self._send(status, "application/json", json.dumps(document).encode())

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
