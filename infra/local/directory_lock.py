"""A lock for a data directory: one stack at a time, also while the servers of a killed stack are still ending."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.errors import LocalServerError

EARLIER_STACK_SECONDS = 10.0
"""How long to wait for an earlier stack. The servers of a killed stack need half of this time to end."""
_STEP_SECONDS = 0.1


@contextmanager
def locked(data: Path) -> Iterator[int]:
    """Locks a data directory, which is created if it is missing, and yields the file descriptor that holds the lock.

    The lock lasts until every process with the descriptor has ended, so pass it to the Guard. Raises LocalServerError
    with the owner's process id if the directory is in use. Blocks for at most EARLIER_STACK_SECONDS.
    """
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)  # customers' words, signed commands and secrets are below it
    lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + EARLIER_STACK_SECONDS
        while not _try_lock(lock):
            owner = int(os.pread(lock, 20, 0) or 0)
            if _is_running(owner) or time.monotonic() > until:
                raise LocalServerError(
                    f"{data} is in use by another witiop dev, process {owner}: stop that one, "
                    "or choose another directory with --data and other ports with --port-base"
                )
            time.sleep(_STEP_SECONDS)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield lock
    finally:
        os.close(lock)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
