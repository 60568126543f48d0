"""Memory settings of the whole process: how often Python collects cycles, and when glibc returns freed memory."""

import ctypes
import gc

_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 256 * 1024


def collect_rarely() -> None:
    """Makes Python's cycle collector run rarely, for the whole process from now on.

    A batch creates a hundred thousand objects and no cycle. With the default thresholds the collector scans all of
    them repeatedly, which takes a quarter of a batch's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def return_large_blocks() -> None:
    """Makes glibc return every freed block of 256 KiB or more to the system at once. Other C libraries: no effect.

    By default, glibc raises that limit up to 32 MiB as large blocks are freed and keeps smaller ones in one arena per
    thread: 64 threads that received bodies of 3 MB held 1.2 GB for good, and 0.2 GB with this setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
