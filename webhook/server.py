"""Serves the webhook: granian's workers, each with its own application, under one process that stops them in order."""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from infra.malloc import give_large_blocks_back
from webhook.front import Bounds, Front

HEADER_SECONDS = 10
"""A connection that sends no whole head of a request for this long is closed, also an idle one."""
MAX_CONNECTIONS = 512
"""Open connections of one process; more wait in the kernel's queue."""
BACKLOG = 1024
STOP_SECONDS = 12
"""A worker that still has requests this long after SIGTERM is killed: the longest body and its answer fit."""
_MAX_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Served:
    """What one worker serves: the application, who hears of requests cut off before it, and what to close after it."""

    app: Flask
    refused: Callable[[str], None]
    close: Callable[[], None]


def serve(make: Callable[[], Served], bounds: Bounds, *, host: str, port: int, processes: int = 1) -> None:
    """Serve until SIGTERM or SIGINT, then finish what has begun and return. Raises OSError when the port is taken, and
    SystemExit(1) when a worker died: whoever started this process starts it again.

    `make` is called in each worker, after the fork; a function of a module also works where processes are spawned.
    Workers end by themselves when this process is killed. Call it from the main thread: it handles signals."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # granian shares the port (SO_REUSEPORT), also with a stranger's granian: two would split the requests
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
    server = Granian(
        "webhook",
        address=host,
        port=port,
        workers=processes,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=MAX_CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=_MAX_HEAD_BYTES),
        workers_kill_timeout=STOP_SECONDS,
        log_level=LogLevels.warning,
        log_dictconfig={"handlers": {}, "formatters": {}, "loggers": {"_granian": {}}},  # up to the root logger
    )
    load: Any = partial(_front, make, bounds)
    server.serve(target_loader=load, wrap_loader=False)


def _front(make: Callable[[], Served], bounds: Bounds) -> Front:
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    give_large_blocks_back()
    served = make()
    return Front(served.app, bounds, served.refused, served.close)


def _end_with_parent() -> None:
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os._exit(1)  # who would have killed us now, because we hang, is gone
