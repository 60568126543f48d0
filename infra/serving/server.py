"""Serves a Flask application with granian: one parent process starts and stops workers, each with its own
application."""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.synchronize import Event
from typing import Any

from flask import Flask
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from infra.process.memory import return_large_blocks
from infra.serving.rsgi_bridge import RequestLimits, RsgiBridge

HEADER_SECONDS = 10
"""A connection that does not send a complete request head within this time is closed, also an idle one."""
BACKLOG = 1024
STOP_SECONDS = 12
"""A worker that still has requests this long after SIGTERM is killed. Enough for the slowest body and its response."""
_MAX_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ServedApp:
    """The application of one worker, and its callbacks.

    `rejected` is called with the reason when a request is rejected before the application sees it, `close` after the
    last request. `end_streams` is called when the worker is about to stop; it must end all open streams."""

    app: Flask
    rejected: Callable[[str], None]
    close: Callable[[], None]
    end_streams: Callable[[], None] | None = None


def serve(
    make: Callable[[], ServedApp],
    limits: RequestLimits,
    *,
    host: str,
    port: int,
    processes: int = 1,
    connections: int = 512,
) -> None:
    """Serves until SIGTERM or SIGINT, then finishes open requests and returns. Raises OSError when the port is taken,
    and SystemExit(1) when a worker died, so that the service manager restarts this process.

    `connections`: the maximum of open connections per worker; further ones wait in the kernel's queue.

    `make` is called in each worker, after the fork. A module-level function also works where processes are spawned.
    Workers end on their own when this process is killed. Must be called from the main thread, because it handles
    signals."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # granian shares its port (SO_REUSEPORT), also with another installation: the two would split the requests
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
    stopping = multiprocessing.Event()
    server = _Server(
        "served",
        address=host,
        port=port,
        workers=processes,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=connections,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=_MAX_HEAD_BYTES),
        workers_kill_timeout=STOP_SECONDS,
        log_level=LogLevels.warning,
        log_dictconfig={"handlers": {}, "formatters": {}, "loggers": {"_granian": {}}},  # up to the root logger
    )
    server.stopping = stopping
    load: Any = partial(_bridge, make, limits, stopping)
    server.serve(target_loader=load, wrap_loader=False)


class _Server(MPServer):
    """Sets `stopping` before it waits for its workers, because a stream would never end on its own."""

    stopping: Event

    def shutdown(self, exit_code: int = 0) -> None:
        self.stopping.set()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]


def _bridge(make: Callable[[], ServedApp], limits: RequestLimits, stopping: Event) -> RsgiBridge:
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    return_large_blocks()
    served = make()
    if served.end_streams is not None:
        threading.Thread(target=_end_streams, args=(stopping, served.end_streams), name="stop", daemon=True).start()
    return RsgiBridge(served.app, limits, served.rejected, served.close)


def _end_streams(stopping: Event, end: Callable[[], None]) -> None:
    stopping.wait()
    end()


def _end_with_parent() -> None:
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os._exit(1)  # this worker hangs, and the parent that would kill it is gone
