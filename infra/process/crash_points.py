"""Crash points: named places where a test lets a process die, to see that nothing is lost there (reliability.md)."""

import os
import threading

EXIT_CODE = 137
"""As after SIGKILL: nothing is flushed, closed or finished."""


class _Armed:
    def __init__(self) -> None:
        self.name: str | None = None
        self.passes = 0
        self.lock = threading.Lock()


_armed = _Armed()


def arm_crash_point(setting: str | None) -> None:
    """Arm the point that `setting` names, as `webhook.after-verify` or, for its third pass, `webhook.after-verify:3`.
    None or empty: none. Raises ValueError for a number of passes that is none. Only wiring calls it."""
    name, _, passes = (setting or "").partition(":")
    with _armed.lock:
        _armed.name, _armed.passes = name or None, int(passes or 1)


def crash_point(name: str) -> None:
    """End the process here if this point is armed and due; otherwise do nothing."""
    if _armed.name != name:
        return
    with _armed.lock:
        _armed.passes -= 1
        if _armed.passes == 0:
            os._exit(EXIT_CODE)
