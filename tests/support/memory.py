"""How much memory a stack needs."""

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """A process and everything below it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def pss_bytes(pid: int) -> int:
    """The proportional set size of a process and everything below it: shared pages are counted once (Linux)."""
    return sum(int(process.memory_full_info().pss) for process in tree(pid))
