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
_ENDING = {signal.SIGTERM, signal.SIGINT}

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
    for number in _ENDING:
        signal.signal(number, lambda *_: os.write(write, _STOP))
    if renew is not None:
        signal.signal(signal.SIGHUP, lambda *_: os.write(write, _RENEW))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    with _listen(host, port) as listener:
        workers = _Workers(make, limits, listener, processes)
        stopped = died = False
        while not (stopped or died):
            asked, died = workers.wait(read)
            stopped = asked == _STOP
            if asked == _RENEW and not died and renew is not None and (remade := renew()) is not None:
                workers.replace(remade, read, write)
    workers.end()
    if not stopped:
        raise SystemExit(1)


class _Workers:
    """The workers that serve, and those that leave: others took their place, or they could not take one."""

    def __init__(self, make: MakeServable, limits: RequestLimits, listener: socket.socket, processes: int) -> None:
        self._limits = limits
        self._listener = listener
        self._serving = [self._started(make) for _ in range(processes)]
        self._leaving: list[BaseProcess] = []
        self._gone_by = 0.0
        self._is_replacing = False

    def wait(self, asks: int) -> tuple[bytes, bool]:
        """Waits until this process is asked for something or a worker ends. Returns what was asked for, and whether one
        died that serves."""
        self._leaving = [worker for worker in self._leaving if worker.is_alive()]
        if self._is_replacing and not self._leaving:  # nobody accepts what is not valid any more
            self._is_replacing = False
            log.info("server.workers_replaced")
        seconds = max(0.0, self._gone_by - time.monotonic()) if self._leaving else None
        ended = wait([asks, *(worker.sentinel for worker in [*self._serving, *self._leaving])], seconds)
        if not ended:
            _kill(self._leaving)
        return os.read(asks, 1) if asks in ended else b"", any(worker.sentinel in ended for worker in self._serving)

    def replace(self, make: MakeServable, asks: int, ask: int) -> None:
        """Starts others in the place of those that serve, which leave once the others can do their work. If one cannot,
        or this process is to stop meanwhile, the others leave."""
        others: list[BaseProcess] = []
        waits: list[Connection] = []
        for _ in self._serving:
            ready, tell = multiprocessing.Pipe(duplex=False)
            others.append(self._started(make, tell))
            tell.close()
            waits.append(ready)
        are_ready = _are_ready(waits, asks, ask)
        for each in waits:
            each.close()
        if are_ready:
            self._is_replacing = True
            self._serving, others = others, self._serving
            self._leave(others, signal.SIGUSR1, RETIRE_SECONDS + _KILL_SECONDS)
        else:
            log.error("server.workers_not_replaced")
            self._leave(others, signal.SIGTERM, _KILL_SECONDS)

    def end(self) -> None:
        """Ends all workers, and returns when they have ended."""
        workers = [*self._serving, *self._leaving]
        _tell(workers, signal.SIGTERM)
        until = time.monotonic() + _KILL_SECONDS
        for worker in workers:
            worker.join(max(0.0, until - time.monotonic()))
        _kill(workers)

    def _leave(self, workers: Sequence[BaseProcess], number: signal.Signals, seconds: float) -> None:
        _tell(workers, number)
        self._leaving += workers
        self._gone_by = time.monotonic() + seconds

    def _started(self, make: MakeServable, ready: Connection | None = None) -> BaseProcess:
        worker = multiprocessing.Process(target=_work, args=(make, self._limits, self._listener, ready), name="worker")
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # until the worker has let go of this process's handlers
        try:
            worker.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        return worker


def _are_ready(waits: Sequence[Connection], asks: int, ask: int) -> bool:
    """Waits until all new workers are ready. Returns False if one is not, and when this process is to stop. What is
    asked for meanwhile is asked for once more afterwards."""
    until = time.monotonic() + _READY_SECONDS + 5
    left, asked = {*waits}, b""
    while left and asked != _STOP:
        heard = wait([asks, *left] if not asked else [*left], max(0.0, until - time.monotonic()))
        if asks in heard:
            asked = os.read(asks, 1)
        told = [each for each in left if each in heard]
        if not heard or not all(map(_is_told, told)):  # the end of a pipe without a word is that of its worker
            break
        left.difference_update(told)
    if asked:
        os.write(ask, asked)
    return not left


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


def _tell(workers: Sequence[BaseProcess], number: signal.Signals) -> None:
    for worker in workers:
        if worker.pid is not None and worker.is_alive():
            os.kill(worker.pid, number)


def _kill(workers: Sequence[BaseProcess]) -> None:
    for worker in workers:
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
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
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
