"""Between the network and the application: a body is read whole, within a deadline and within bounds, before a thread
is spent on it (docs/decisions/0003).

A thread that reads from the network itself, as WSGI has it, can be held for ever by a sender who sends nothing more.
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
"""How long a request may wait for what others use, a thread first and then room at the broker: as short a stall of the
broker or the machine is no reason to send senders away, and a longer one is answered in time all the same."""
ARRIVED = "witiop.arrived"
"""Where the application finds in its environment when the request was whole, as `time.monotonic` tells it."""

FOLLOWED = "witiop.followed"
"""Where the application puts the `Stream` that follows its answer, if that is 200."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Of one process. `threads` run the application, at most `waiting` requests wait for one of them and none for more
    than `queue_seconds`; bodies have at most `body_bytes` each and `buffered_bytes` together, and `body_seconds` to
    arrive. Of one that is too large `dropped_bytes` are read and dropped before its sender is refused."""

    body_bytes: int
    threads: int = 64
    waiting: int = 128
    queue_seconds: float = QUEUE_SECONDS
    buffered_bytes: int = 64 * 1024 * 1024
    body_seconds: float = 10.0
    dropped_bytes: int = 16 * 1024 * 1024


class _Refused(Exception):
    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.status, self.reason, self.detail = status, reason, detail


def _busy() -> _Refused:
    return _Refused(503, "busy", "Too many requests at a time; send it again.")


Stream = Callable[[], AsyncGenerator[bytes, None]]
"""What is sent piece by piece, for as long as it lasts; it costs no thread."""

_Answer = tuple[int, list[tuple[str, str]], bytes]
_Followed = tuple[_Answer, Stream]


class RsgiBridge:
    """An RSGI application (granian's own protocol) that runs a WSGI application. `refused` is told why a request was
    cut off: `too_large`, `too_slow`, `ended_early` or `busy`; `close` is called when all requests are answered."""

    def __init__(
        self, app: WSGIApplication, bounds: RequestLimits, refused: Callable[[str], None], close: Callable[[], None]
    ) -> None:
        self._app = app
        self._bounds = bounds
        self._refused = refused
        self._close = close
        self._threads = ThreadPoolExecutor(bounds.threads, thread_name_prefix="request")
        self._buffered = 0
        self._running = 0

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called after the last request."""
        self._threads.shutdown()
        self._close()

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request."""
        body = io.BytesIO()  # grows in place and is what the application reads: no copy between
        try:
            async with asyncio.timeout(self._bounds.body_seconds):
                await self._read(scope, protocol, body)
            if self._running >= self._bounds.threads + self._bounds.waiting:
                raise _busy()
            followed = await self._run(scope, protocol, body)
            if followed is not None:
                await _send(protocol, *followed)
        except TimeoutError:
            self._refuse(protocol, _Refused(408, "too_slow", f"The body took over {self._bounds.body_seconds:.0f} s."))
        except _Refused as refusal:
            self._refuse(protocol, refusal)
        finally:
            self._buffered -= body.getbuffer().nbytes

    async def _read(self, scope: Scope, protocol: HTTPProtocol, body: io.BytesIO) -> None:
        bounds, parts = self._bounds, aiter(protocol)
        header = scope.headers.get("content-length")
        if header is None and "transfer-encoding" not in scope.headers:
            return
        announced = sys.maxsize if header is None else int(header)
        too_large = header is not None and announced > bounds.body_bytes
        received = 0
        while received < announced:
            # A sender reads no answer while it sends: the rest of a body that is too large is read and dropped, unless
            # the sender waits for us (Expect: 100-continue) or there is no end of it.
            if too_large and (received >= bounds.dropped_bytes or "expect" in scope.headers):
                break
            part = await anext(parts)  # empty at the end, also when the sender is gone
            if not part:
                break
            received += len(part)
            too_large = too_large or received > bounds.body_bytes
            if not too_large:
                self._buffer(body, part)
        if too_large:
            raise _Refused(413, "too_large", f"At most {bounds.body_bytes} bytes.")
        if header is not None and received < announced:
            raise _Refused(400, "ended_early", "The body is shorter than its Content-Length.")

    def _buffer(self, body: io.BytesIO, part: bytes) -> None:
        if self._buffered + len(part) > self._bounds.buffered_bytes:
            raise _busy()
        self._buffered += len(part)
        body.write(part)

    async def _run(self, scope: Scope, protocol: HTTPProtocol, body: io.BytesIO) -> _Followed | None:
        """The answer that a stream follows; any other is given already."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[_Followed | None] = loop.create_future()
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
        answered: asyncio.Future[_Followed | None],
    ) -> None:
        if time.monotonic() - arrived > self._bounds.queue_seconds:
            loop.call_soon_threadsafe(answered.set_exception, _busy())
            return
        followed: _Followed | None = None
        try:
            environ = _environ(scope, body, arrived)
            answer = _call(self._app, environ)
            if answer[0] == 200 and FOLLOWED in environ:
                followed = answer, environ[FOLLOWED]
            else:
                protocol.response_bytes(*answer)
        except Exception as error:  # in a pool's thread nobody else would hear of it; granian answers 500
            log.error("request.no_answer", error=type(error).__name__)
        finally:
            loop.call_soon_threadsafe(answered.set_result, followed)

    def _refuse(self, protocol: HTTPProtocol, refusal: _Refused) -> None:
        self._refused(refusal.reason)
        # What is left of the body is not read: the connection cannot serve another request.
        headers = [("content-type", MEDIA_TYPE), ("connection", "close")]
        if refusal.status == 503:
            headers.append(("retry-after", str(RETRY_AFTER_SECONDS)))
        protocol.response_bytes(refusal.status, headers, problem_json(refusal.status, refusal.detail))


async def _send(protocol: HTTPProtocol, answer: _Answer, stream: Stream) -> None:
    status, headers, content = answer
    open_ended = [(name, value) for name, value in headers if name.lower() != "content-length"]
    transport = protocol.response_stream(status, open_ended)
    try:
        await transport.send_bytes(content)
        async with aclosing(stream()) as parts:
            async for part in parts:
                await transport.send_bytes(part)
    except ProtocolClosed:
        """Whoever read it is gone."""


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
        ARRIVED: arrived,
    }
    body.seek(0)
    for name, value in scope.headers.items():
        key = name.upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = value
        elif key not in {"CONTENT_LENGTH", "TRANSFER_ENCODING"}:  # of what is no longer on its way
            key = f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def _call(app: WSGIApplication, environ: dict[str, Any]) -> _Answer:
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
    raise NotImplementedError("Flask returns its content; WSGI's old write() is not served")
