"""A process and its descendants: which are still running, and how much memory they use."""

import os
import signal
import sys
from collections.abc import Sequence

import psutil

from tests.support.waiting import wait_until


def tree(pid: int) -> list[psutil.Process]:
    """Returns a process and its descendants."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def still_running(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Returns the processes that have not ended. A zombie has ended."""
    return [process for process in processes if _is_running(process)]


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def freeze(pid: int) -> None:
    """Stops a process until SIGCONT. Returns when all of its threads have stopped, which takes a moment."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(state == psutil.STATUS_STOPPED for state in _states(pid)))


def _states(pid: int) -> list[str]:
    """Returns the states of its threads on Linux, elsewhere its own state."""
    threads = [thread.id for thread in psutil.Process(pid).threads()] if sys.platform == "linux" else [pid]
    return [psutil.Process(thread).status() for thread in threads]


def pss_bytes(pid: int) -> int:
    """Returns the proportional set size of a process and its descendants; shared pages count once (Linux)."""
    return sum(int(process.memory_full_info().pss) for process in tree(pid))
