"""Waiting for a condition instead of for a fixed time."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float = 60.0, step: float = 0.02) -> None:
    """Returns as soon as the condition is true; raises AssertionError if that takes longer than `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"still not true after {seconds} s"
        time.sleep(step)
