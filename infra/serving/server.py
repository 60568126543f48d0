"""Serves over HTTP: one parent process starts and stops workers, each with its own application."""

import asyncio
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from infra.process.memory import return_large_blocks
from infra.serving.limits import RequestLimits
from infra.serving.worker import STOP_SECONDS, Servable, Worker

BACKLOG = 1024
"""Connections that wait in the kernel until a worker accepts them."""
_KILL_SECONDS = STOP_SECONDS + 2


def serve(make: Callable[[], Servable], limits: RequestLimits, *, host: str, port: int, processes: int = 1) -> None:
    """Serves until SIGTERM or SIGINT, then finishes open requests and returns. Raises OSError when the port is taken,
    and SystemExit(1) when a worker died, so that the service manager restarts this process.

    `make` is called in each worker, after the fork. A module-level function also works where processes are spawned.
    Workers end on their own when this process is killed. Must be called from the main thread, because it handles
    signals."""
    with _listen(host, port) as listener:
        workers = [
            multiprocessing.Process(target=_work, args=(make, limits, listener), name="worker")
            for _ in range(processes)
        ]
        stop_read, stop_write = os.pipe()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os.write(stop_write, b"."))
        for worker in workers:
            worker.start()
    ended = wait([stop_read, *(worker.sentinel for worker in workers)])
    _end(workers)
    if stop_read not in ended:
        raise SystemExit(1)


def _listen(host: str, port: int) -> socket.socket:
    is_ipv6 = ":" in host
    return socket.create_server(
        (host, port),
        family=socket.AF_INET6 if is_ipv6 else socket.AF_INET,
        backlog=BACKLOG,
        dualstack_ipv6=is_ipv6 and socket.has_dualstack_ipv6() and host == "::",
    )


def _end(workers: Sequence[BaseProcess]) -> None:
    """Ends the workers; those that take too long are killed."""
    for worker in workers:
        worker.terminate()
    until = time.monotonic() + _KILL_SECONDS
    for worker in workers:
        worker.join(max(0.0, until - time.monotonic()))
        if worker.is_alive():
            worker.kill()
            worker.join()


def _work(make: Callable[[], Servable], limits: RequestLimits, listener: socket.socket) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not the parent's handler
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the workers
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    return_large_blocks()
    asyncio.run(_run(make(), limits, listener))


async def _run(served: Servable, limits: RequestLimits, listener: socket.socket) -> None:
    worker = Worker(served, limits, listener)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()


def _end_with_parent() -> None:
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os._exit(1)  # this worker hangs, and the parent that would kill it is gone
