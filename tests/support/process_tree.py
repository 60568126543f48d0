"""A process and everything below it: what it needs, and what is left of it."""

from collections.abc import Sequence

import psutil


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


def pss_bytes(pid: int) -> int:
    """The proportional set size of a process and everything below it: shared pages are counted once (Linux)."""
    return sum(int(process.memory_full_info().pss) for process in tree(pid))
