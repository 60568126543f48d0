"""Runs a WSGI application for requests that are complete (docs/decisions/0029).

Most requests use a thread. Requests for a quick path, with a small body, run in the event loop itself: their views
never wait. A view that has to wait for something, e.g. for Kafka, answers later (`LATER_KEY`) and holds no thread.
"""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from wsgiref.types import WSGIApplication

import structlog

from infra.serving.http_connection import Request
from infra.serving.limits import RequestLimits
from infra.serving.rejection import Rejected, busy, late
from infra.serving.response import Response

ARRIVED_KEY = "witiop.arrived"
"""The key in the WSGI environment for the time (`time.monotonic`) at which the request was complete."""
STREAM_KEY = "witiop.stream"
"""The key in the WSGI environment where the application puts a `Stream` that follows its response, if that is 200 or
206."""
LENGTH_KEY = "witiop.length"
"""The key in the WSGI environment where the application puts the length of that stream in bytes, if it is known."""
OTHERWISE_KEY = "witiop.otherwise"
"""The key in the WSGI environment where the application puts the `Response` to send if that stream fails before its
first part."""
LATER_KEY = "witiop.later"
"""The key in the WSGI environment where the application puts a `Later`, if its response may not be sent yet."""

Answer = Callable[[Response | None], None]
"""Sends a response; None: the one that the application has returned. May be called from any thread."""
Later = Callable[[Answer], None]
"""Gets the function to call once the request can be answered."""

QUICK_BYTES = 16 * 1024
"""Largest body of a request that is handled in the event loop: some milliseconds of work at most."""

log = structlog.get_logger()


class WsgiBridge:
    """Runs `app`. `quick_paths`: those whose views never wait. Must be created and called in the event loop."""

    def __init__(self, app: WSGIApplication, quick_paths: Collection[str], limits: RequestLimits) -> None:
        self._app = app
        self._quick_paths = frozenset(quick_paths)
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="request")
        self._in_threads = 0
        self._unanswered: dict[Request, None] = {}
        """In the order in which they arrived."""
        self._actions: deque[Callable[[], None]] = deque()
        """What other threads want the event loop to do."""
        self._woken = False

    def handle(self, request: Request) -> None:
        """Answers a request, now or later."""
        self._unanswered[request] = None
        if request.size <= QUICK_BYTES and request.head.environ["PATH_INFO"] in self._quick_paths:
            self._answer(request, *self._run(request))
        elif self._in_threads >= self._limits.threads + self._limits.waiting:
            self._reject(request, busy())
        else:
            self._in_threads += 1
            self._threads.submit(self._run_in_thread, request)

    def reject_late(self) -> None:
        """Answers the requests that have waited for longer than the limit."""
        seconds = self._limits.answer_seconds
        while seconds is not None and self._unanswered:
            oldest = next(iter(self._unanswered))
            if time.monotonic() - oldest.arrived < seconds:
                break
            self._reject(oldest, late())

    def close(self) -> None:
        """Waits for the threads."""
        self._threads.shutdown()

    def _run_in_thread(self, request: Request) -> None:
        if time.monotonic() - request.arrived > self._limits.queue_seconds:
            action = partial(self._reject, request, busy())
        else:
            action = partial(self._answer, request, *self._run(request))
        self._in_loop(partial(self._leave_thread, action))

    def _leave_thread(self, action: Callable[[], None]) -> None:
        self._in_threads -= 1
        action()

    def _run(self, request: Request) -> tuple[dict[str, Any], Response]:
        environ = environ_of(request)
        try:
            return environ, _call(self._app, environ)
        except Exception as error:  # the application answers its own errors, so this one is the server's
            log.error("request.not_answered", error=type(error).__name__)
            return {}, Response(500, [], b"")

    def _answer(self, request: Request, environ: dict[str, Any], response: Response) -> None:
        later: Later | None = environ.get(LATER_KEY)
        if later is not None:
            later(lambda outcome: self._in_loop(partial(self._respond, request, outcome or response)))
        elif STREAM_KEY in environ and response.status in (200, 206):
            self._unanswered.pop(request, None)
            request.connection.stream(
                request, response, environ[STREAM_KEY], environ.get(LENGTH_KEY), environ.get(OTHERWISE_KEY)
            )
        else:
            self._respond(request, response)

    def _respond(self, request: Request, response: Response) -> None:
        self._unanswered.pop(request, None)
        try:
            request.connection.respond(request, response)
        except Exception as error:  # e.g. a header that HTTP cannot carry: nobody else waits for that
            log.error("request.not_answered", error=type(error).__name__)
            request.connection.abort()

    def _reject(self, request: Request, rejection: Rejected) -> None:
        self._unanswered.pop(request, None)
        request.connection.reject(request, rejection)

    def _in_loop(self, action: Callable[[], None]) -> None:
        """Makes the event loop do this. The loop is woken once for all actions that it has not begun to take."""
        self._actions.append(action)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._take_actions)

    def _take_actions(self) -> None:
        self._woken = False
        for _ in range(len(self._actions)):
            self._actions.popleft()()


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
    "wsgi.url_scheme": "http",
}


def environ_of(request: Request) -> dict[str, Any]:
    """Returns the WSGI environment of a request."""
    request.body.seek(0)
    return {
        **_ENVIRON,
        **request.head.environ,
        "REQUEST_METHOD": request.head.method,
        "CONTENT_LENGTH": str(request.size),
        "REMOTE_ADDR": request.client,
        "wsgi.input": request.body,
        ARRIVED_KEY: request.arrived,
    }


def _call(app: WSGIApplication, environ: dict[str, Any]) -> Response:
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
    return Response(*started[-1], content)


def _no_write(_: bytes) -> object:
    raise NotImplementedError("WSGI's write() is not supported: the application must return its content")
