"""Runs a WSGI application under granian's RSGI. A request body is read completely, within a deadline and size limits,
before a thread is used for the request (docs/decisions/0003).

With plain WSGI the thread itself reads from the network, and a sender that stops sending blocks the thread for ever.
"""

import asyncio
import io
import sys
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from wsgiref.types import WSGIApplication

import structlog
from granian.rsgi import (  # type: ignore[attr-defined]  # granian exports it only to readers
    HTTPProtocol,
    ProtocolClosed,
    Scope,
)

from infra.serving.problem import MEDIA_TYPE, RETRY_AFTER_SECONDS, problem_json

QUEUE_SECONDS = 0.3
"""How long a request may wait for shared resources: first for a thread, then for room in the publisher. A stall of the
broker or of the machine that is this short rejects nobody; after a longer one the sender still gets its answer in
time."""
ARRIVED_KEY = "witiop.arrived"
"""The key in the WSGI environment for the time (`time.monotonic`) at which the request was complete."""

STREAM_KEY = "witiop.stream"
"""The key in the WSGI environment where the application puts a `Stream` that follows its response, if that is 200."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Limits of one process.

    `threads` run the application. At most `waiting` further requests wait for a thread, each for `queue_seconds` at
    most. A body has at most `body_bytes`, all bodies together `buffered_bytes`, and a body must arrive within
    `body_seconds`. Up to `dropped_bytes` of a body that is too large are read and dropped before the request is
    rejected."""

    body_bytes: int
    threads: int = 64
    waiting: int = 128
    queue_seconds: float = QUEUE_SECONDS
    buffered_bytes: int = 64 * 1024 * 1024
    body_seconds: float = 10.0
    dropped_bytes: int = 16 * 1024 * 1024


class _Rejected(Exception):
    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.status, self.reason, self.detail = status, reason, detail


def _busy() -> _Rejected:
    return _Rejected(503, "busy", "Too many requests at a time; send it again.")


Stream = Callable[[], AsyncGenerator[bytes, None]]
"""Starts a stream whose parts are sent as they are generated, until it ends. Uses no thread."""

_Response = tuple[int, list[tuple[str, str]], bytes]
_StreamedResponse = tuple[_Response, Stream]


class RsgiBridge:
    """An RSGI application (granian's own protocol) that runs a WSGI application.

    `rejected` is called with the reason when a request is rejected before the application sees it: `too_large`,
    `too_slow`, `ended_early` or `busy`. `close` is called when all requests are answered."""

    def __init__(
        self, app: WSGIApplication, limits: RequestLimits, rejected: Callable[[str], None], close: Callable[[], None]
    ) -> None:
        self._app = app
        self._limits = limits
        self._rejected = rejected
        self._close = close
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="request")
        self._buffered = 0
        self._running = 0

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stops the threads. granian calls this after the last request."""
        self._threads.shutdown()
        self._close()

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answers one request."""
        body = io.BytesIO()  # grows in place, and the application reads from it: the body is never copied
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                await self._read(scope, protocol, body)
            if self._running >= self._limits.threads + self._limits.waiting:
                raise _busy()
            streamed = await self._run(scope, protocol, body)
            if streamed is not None:
                await _send(protocol, *streamed)
        except TimeoutError:
            detail = f"The body took over {self._limits.body_seconds:.0f} s."
            self._reject(protocol, _Rejected(408, "too_slow", detail))
        except _Rejected as rejection:
            self._reject(protocol, rejection)
        finally:
            self._buffered -= body.getbuffer().nbytes

    async def _read(self, scope: Scope, protocol: HTTPProtocol, body: io.BytesIO) -> None:
        limits, parts = self._limits, aiter(protocol)
        header = scope.headers.get("content-length")
        if header is None and "transfer-encoding" not in scope.headers:
            return
        announced = sys.maxsize if header is None else int(header)
        too_large = header is not None and announced > limits.body_bytes
        received = 0
        while received < announced:
            # A sender does not read the response while it sends. So the rest of a body that is too large is read and
            # dropped, unless the sender waits for permission (Expect: 100-continue) or sends without end.
            if too_large and (received >= limits.dropped_bytes or "expect" in scope.headers):
                break
            part = await anext(parts)  # empty at the end, also when the sender disconnected
            if not part:
                break
            received += len(part)
            too_large = too_large or received > limits.body_bytes
            if not too_large:
                self._buffer(body, part)
        if too_large:
            raise _Rejected(413, "too_large", f"At most {limits.body_bytes} bytes.")
        if header is not None and received < announced:
            raise _Rejected(400, "ended_early", "The body is shorter than its Content-Length.")

    def _buffer(self, body: io.BytesIO, part: bytes) -> None:
        if self._buffered + len(part) > self._limits.buffered_bytes:
            raise _busy()
        self._buffered += len(part)
        body.write(part)

    async def _run(self, scope: Scope, protocol: HTTPProtocol, body: io.BytesIO) -> _StreamedResponse | None:
        """Runs the application. Returns its response if a stream follows; any other response is already sent."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[_StreamedResponse | None] = loop.create_future()
        self._running += 1
        try:
            self._threads.submit(self._answer, scope, protocol, body, time.monotonic(), loop, answered)
            return await answered
        finally:
            self._running -= 1

    def _answer(
        self,
        scope: Scope,
        protocol: HTTPProtocol,
        body: io.BytesIO,
        arrived: float,
        loop: asyncio.AbstractEventLoop,
        answered: asyncio.Future[_StreamedResponse | None],
    ) -> None:
        if time.monotonic() - arrived > self._limits.queue_seconds:
            loop.call_soon_threadsafe(answered.set_exception, _busy())
            return
        streamed: _StreamedResponse | None = None
        try:
            environ = _environ(scope, body, arrived)
            response = _call(self._app, environ)
            if response[0] == 200 and STREAM_KEY in environ:
                streamed = response, environ[STREAM_KEY]
            else:
                protocol.response_bytes(*response)
        except Exception as error:  # would be lost in a pool's thread; granian answers 500
            log.error("request.not_answered", error=type(error).__name__)
        finally:
            loop.call_soon_threadsafe(answered.set_result, streamed)

    def _reject(self, protocol: HTTPProtocol, rejection: _Rejected) -> None:
        self._rejected(rejection.reason)
        # The rest of the body is not read, so the connection cannot serve another request.
        headers = [("content-type", MEDIA_TYPE), ("connection", "close")]
        if rejection.status == 503:
            headers.append(("retry-after", str(RETRY_AFTER_SECONDS)))
        protocol.response_bytes(rejection.status, headers, problem_json(rejection.status, rejection.detail))


async def _send(protocol: HTTPProtocol, response: _Response, stream: Stream) -> None:
    status, headers, content = response
    open_ended = [(name, value) for name, value in headers if name.lower() != "content-length"]
    transport = protocol.response_stream(status, open_ended)
    try:
        await transport.send_bytes(content)
        async with aclosing(stream()) as parts:
            async for part in parts:
                await transport.send_bytes(part)
    except ProtocolClosed:
        """The client disconnected."""


_ENVIRON: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


def _environ(scope: Scope, body: io.BytesIO, arrived: float) -> dict[str, Any]:
    environ = _ENVIRON | {
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "CONTENT_LENGTH": str(body.tell()),
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": body,
        ARRIVED_KEY: arrived,
    }
    body.seek(0)
    for name, value in scope.headers.items():
        key = name.upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = value
        elif key not in {"CONTENT_LENGTH", "TRANSFER_ENCODING"}:  # they described the body on the network
            key = f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def _call(app: WSGIApplication, environ: dict[str, Any]) -> _Response:
    started: list[tuple[int, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Callable[[bytes], object]:
        started.append((int(status[:3]), headers))
        return _no_write

    parts = app(environ, start_response)
    try:
        content = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    return (*started[-1], content)


def _no_write(_: bytes) -> object:
    raise NotImplementedError("WSGI's write() is not supported: the application must return its content")
