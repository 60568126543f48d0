"""One worker of an HTTP server: an event loop that accepts connections, and one sweeper for all of their deadlines."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

import structlog
from flask import Flask

from infra.serving.http_connection import HttpConnection, Request
from infra.serving.limits import RequestLimits
from infra.serving.request_reader import Buffered
from infra.serving.waiting import Waiting
from infra.serving.wsgi_bridge import WsgiBridge

STOP_SECONDS = 12.0
"""How long a worker finishes requests after SIGTERM. Enough for the slowest body and its response."""
RETIRE_SECONDS = 5.0
"""How long clients may still use their connections to a worker that was replaced, each once."""
_SWEEP_SECONDS = 0.2
_ACCEPTED_AT_ONCE = 16
"""Connections that are accepted before the requests of the others are answered. With one at a time, the last of a
hundred new connections waited for a hundred turns of the loop: for seconds under load, unseen by any deadline."""
_NO_FILES_SECONDS = 0.5
"""Pause after a connection could not be accepted, e.g. because the process has too many open files."""

log = structlog.get_logger()


class RequestHandler(Protocol):
    """Answers the requests of one worker. Its methods are called in the event loop."""

    def handle(self, request: Request) -> None:
        """Answers a request, now or later."""

    def reject_late(self) -> None:
        """Answers requests that have waited for too long. Called a few times per second."""

    def close(self) -> None:
        """Frees what the handler uses. Called after the last request."""


class Servable(Protocol):
    """What a worker serves. `rejected` is called with the reason when a request is rejected by the server:
    `malformed`, `too_large`, `too_slow`, `ended_early`, `busy` or `late`. `close` is called after the last request.
    `end_streams` is called when the worker is about to stop; it must end all open streams. `is_ready`: whether it can
    do its work already."""

    @property
    def is_ready(self) -> Callable[[], bool]: ...
    @property
    def rejected(self) -> Callable[[str], None]: ...
    @property
    def close(self) -> Callable[[], None]: ...
    @property
    def end_streams(self) -> Callable[[], None] | None: ...
    def handler(self, limits: RequestLimits) -> RequestHandler:
        """Returns the handler of a new worker. Called once, in the event loop."""


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ServedApp:
    """A Flask application as a `Servable`.

    `quick_paths`: paths whose views never wait; requests for them need no thread."""

    app: Flask
    rejected: Callable[[str], None]
    close: Callable[[], None]
    end_streams: Callable[[], None] | None = None
    quick_paths: frozenset[str] = frozenset()
    is_ready: Callable[[], bool] = _always

    def handler(self, limits: RequestLimits) -> RequestHandler:
        """See `Servable`."""
        return WsgiBridge(self.app, self.quick_paths, limits)


class Worker:
    """Serves the connections of one listening socket until it is stopped. Implements `http_connection.Server`. Must be
    created in the event loop."""

    def __init__(self, served: Servable, limits: RequestLimits, listener: socket.socket) -> None:
        self.limits = limits
        self.waiting = Waiting(limits.waiting_per_address)
        self.stopping = False
        self._retiring = False
        self.buffered = Buffered()
        self.rejected = served.rejected
        self._served = served
        self._listener = listener
        self._handler = served.handler(limits)
        self.handle: Callable[[Request], None] = self._handler.handle
        self._connections: set[HttpConnection] = set()
        self._opening: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.get_running_loop()
        self._stop_requested = asyncio.Event()
        self._all_closed = asyncio.Event()

    async def run(self) -> None:
        """Serves until `stop` is called, and then finishes the requests in progress."""
        self._loop.set_exception_handler(_log_error)
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)
        sweeping = self._loop.create_task(self._sweep())
        await self._stop_requested.wait()
        self._begin_to_stop()
        if self._retiring:
            await self._all_closed_within(RETIRE_SECONDS)
        for connection in list(self._connections):
            connection.stop()
        await self._all_closed_within(STOP_SECONDS)
        sweeping.cancel()
        for connection in list(self._connections):
            connection.abort()
        self._handler.close()
        self._served.close()

    def stop(self) -> None:
        """Makes `run` return soon."""
        self._stop_requested.set()

    def retire(self) -> None:
        """Makes `run` return when all connections are closed, or after some seconds: another worker accepts from now
        on. Each answer closes its connection, and one that waits stays open for one more request, which its client may
        be sending at this moment."""
        self._retiring = True
        self._stop_requested.set()

    def opened(self, connection: HttpConnection) -> None:
        """Counts a new connection. If there are too many, closes one that only waits."""
        if len(self._connections) >= self.limits.connections:
            oldest = self.waiting.to_close()
            closed = connection if oldest is None else cast("HttpConnection", oldest)
            self.rejected("connections")
            closed.abort()
            self._connections.discard(closed)
            if closed is connection:
                return
        self._connections.add(connection)

    def closed(self, connection: HttpConnection) -> None:
        """Counts a closed connection."""
        self._connections.discard(connection)
        self._note_if_all_closed()

    def _accept(self) -> None:
        """Accepts the connections that wait, but not too many: the others are left to workers that are less busy."""
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("connection.not_accepted", error=type(error).__name__, errno=error.errno)
                self._loop.remove_reader(self._listener)
                self._loop.call_later(_NO_FILES_SECONDS, self._accept_again)
                return
            accepted.setblocking(False)
            opening = self._loop.create_task(
                self._loop.connect_accepted_socket(partial(HttpConnection, self), accepted)
            )
            self._opening.add(opening)
            opening.add_done_callback(self._opened)

    def _opened(self, opening: "asyncio.Task[Any]") -> None:
        self._opening.discard(opening)
        self._note_if_all_closed()

    def _accept_again(self) -> None:
        if not self.stopping:
            self._loop.add_reader(self._listener, self._accept)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self._end_waits()

    def _end_waits(self) -> None:
        """Ends what has waited for too long. What goes wrong with one connection ends that one alone."""
        for connection in map(partial(cast, "HttpConnection"), self.waiting.expired(self._loop.time())):
            try:
                connection.give_up()
            except Exception as error:  # without the sweeper, no deadline would hold any more
                log.error("server.failed", error=type(error).__name__)
                connection.abort()
        try:
            self._handler.reject_late()
        except Exception as error:  # the next time it is tried again
            log.error("server.failed", error=type(error).__name__)

    def _begin_to_stop(self) -> None:
        self.stopping = True
        self._loop.remove_reader(self._listener)
        self._listener.close()
        if self._served.end_streams is not None:
            self._served.end_streams()
        self._note_if_all_closed()

    def _note_if_all_closed(self) -> None:
        if self.stopping and not self._connections and not (self._retiring and self._opening):
            self._all_closed.set()

    async def _all_closed_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._all_closed.wait()


def _log_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs an error in the event loop by its type: its text could hold data of a request."""
    log.error("server.failed", error=type(context.get("exception")).__name__)
