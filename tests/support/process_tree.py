"""A process and everything below it: what it needs, and what is left of it."""

import os
import signal
import sys
from collections.abc import Sequence

import psutil

from tests.support.waiting import wait_until


def tree(pid: int) -> list[psutil.Process]:
    """A process and everything below it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def still_running(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those that did not end; one that only waits to be noticed by the system's first process has ended."""
    return [each for each in processes if _runs(each)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def freeze(pid: int) -> None:
    """Stop a process until SIGCONT; returns when none of its threads runs any more: a moment later than it is sent."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(state == psutil.STATUS_STOPPED for state in _states(pid)))


def _states(pid: int) -> list[str]:
    """Of its threads, where the system tells (Linux); else its own."""
    threads = [thread.id for thread in psutil.Process(pid).threads()] if sys.platform == "linux" else [pid]
    return [psutil.Process(thread).status() for thread in threads]


def pss_bytes(pid: int) -> int:
    """The proportional set size of a process and everything below it: shared pages are counted once (Linux)."""
    return sum(int(process.memory_full_info().pss) for process in tree(pid))
