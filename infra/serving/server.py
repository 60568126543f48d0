"""Serves over HTTP: one parent process starts, replaces and stops workers, each with its own application."""

import asyncio
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import structlog

from infra.process.memory import return_large_blocks
from infra.serving.limits import RequestLimits
from infra.serving.worker import RETIRE_SECONDS, STOP_SECONDS, Servable, Worker

BACKLOG = 1024
"""Connections that wait in the kernel until a worker accepts them."""
_KILL_SECONDS = STOP_SECONDS + 2
_READY_SECONDS = 10.0
"""How long a worker that replaces another may take until it can do its work."""
_STOP, _RENEW = b".", b"r"

log = structlog.get_logger()

MakeServable = Callable[[], Servable]
"""Makes what a worker serves. Called in each worker, after the fork."""


def serve(
    make: MakeServable,
    limits: RequestLimits,
    *,
    host: str,
    port: int,
    processes: int = 1,
    renew: Callable[[], MakeServable | None] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then finishes open requests and returns. Raises OSError when the port is taken,
    and SystemExit(1) when a worker died, so that the service manager restarts this process.

    On SIGHUP replaces all workers by those that `renew` makes, if any, without refusing a connection or a request: the
    new ones accept once they can do their work, and only then the old ones finish. If a new one cannot, the old ones go
    on. A caller that blocks SIGHUP before it reads what `renew` reads again loses none.

    A module-level function as `make` also works where processes are spawned. Workers end on their own when this process
    is killed. Must be called from the main thread, because it handles signals."""
    read, write = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(write, _STOP))
    if renew is not None:
        signal.signal(signal.SIGHUP, lambda *_: os.write(write, _RENEW))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    with _listen(host, port) as listener:
        workers = [_started(make, limits, listener) for _ in range(processes)]
        stopped = died = False
        while not (stopped or died):
            ended = wait([read, *(worker.sentinel for worker in workers)])
            asked = os.read(read, 1) if read in ended else b""
            stopped, died = asked == _STOP, ended != [read]
            if asked == _RENEW and not died and renew is not None and (remade := renew()) is not None:
                workers = _replaced(workers, remade, limits, listener)
    _end(workers)
    if not stopped:
        raise SystemExit(1)


def _started(
    make: MakeServable, limits: RequestLimits, listener: socket.socket, ready: Connection | None = None
) -> BaseProcess:
    worker = multiprocessing.Process(target=_work, args=(make, limits, listener, ready), name="worker")
    worker.start()
    return worker


def _replaced(
    workers: Sequence[BaseProcess], make: MakeServable, limits: RequestLimits, listener: socket.socket
) -> list[BaseProcess]:
    """Replaces the workers. Returns those that serve now."""
    fresh: list[BaseProcess] = []
    waits: list[Connection] = []
    for _ in workers:
        ready, tell = multiprocessing.Pipe(duplex=False)
        fresh.append(_started(make, limits, listener, tell))
        tell.close()
        waits.append(ready)
    until = time.monotonic() + _READY_SECONDS + 5
    # the end of a pipe without a word is that of its worker
    are_ready = all(each.poll(max(0.0, until - time.monotonic())) and _is_told(each) for each in waits)
    for each in waits:
        each.close()
    if not are_ready:
        log.error("server.workers_not_replaced")
        _end(fresh)
        return list(workers)
    _end(workers, signal.SIGUSR1, RETIRE_SECONDS + _KILL_SECONDS)
    log.info("server.workers_replaced")
    return fresh


def _is_told(ready: Connection) -> bool:
    try:
        return ready.recv_bytes() == b"ready"
    except EOFError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    is_ipv6 = ":" in host
    return socket.create_server(
        (host, port),
        family=socket.AF_INET6 if is_ipv6 else socket.AF_INET,
        backlog=BACKLOG,
        dualstack_ipv6=is_ipv6 and socket.has_dualstack_ipv6() and host == "::",
    )


def _end(
    workers: Sequence[BaseProcess], number: signal.Signals = signal.SIGTERM, seconds: float = _KILL_SECONDS
) -> None:
    """Ends the workers by a signal; those that take longer than `seconds` are killed."""
    for worker in workers:
        if worker.pid is not None and worker.is_alive():
            os.kill(worker.pid, number)
    until = time.monotonic() + seconds
    for worker in workers:
        worker.join(max(0.0, until - time.monotonic()))
        if worker.is_alive():
            worker.kill()
            worker.join()


def _work(make: MakeServable, limits: RequestLimits, listener: socket.socket, ready: Connection | None = None) -> None:
    try:
        _serve_in_worker(make, limits, listener, ready)
    except Exception:  # multiprocessing would print it with its message, which may quote content
        log.critical("server.worker_failed", exc_info=True)
        raise SystemExit(1) from None


def _serve_in_worker(
    make: MakeServable, limits: RequestLimits, listener: socket.socket, ready: Connection | None
) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not the parent's handler
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the parent ends and replaces the workers
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    return_large_blocks()
    served = make()
    if ready is not None:
        _wait_until(served.is_ready)
        ready.send_bytes(b"ready")
        ready.close()
    asyncio.run(_run(served, limits, listener))


def _wait_until(is_ready: Callable[[], bool]) -> None:
    """Waits for a worker's servers, but not for ever: when they are away, the worker before it could do no more."""
    until = time.monotonic() + _READY_SECONDS
    while not is_ready() and time.monotonic() < until:
        time.sleep(0.05)


async def _run(served: Servable, limits: RequestLimits, listener: socket.socket) -> None:
    worker = Worker(served, limits, listener)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, worker.retire)
    await worker.run()


def _end_with_parent() -> None:
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os._exit(1)  # this worker hangs, and the parent that would kill it is gone
