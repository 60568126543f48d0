"""Crash points: named places where a test can make a process die, to prove that nothing is lost (reliability.md)."""

import os
import threading

EXIT_CODE = 137
"""The exit code after SIGKILL. As then, nothing is flushed, closed or finished."""


class _Armed:
    def __init__(self) -> None:
        self.name: str | None = None
        self.passes = 0
        self.lock = threading.Lock()


_armed = _Armed()


def arm_crash_point(setting: str | None) -> None:
    """Arms the crash point that `setting` names, e.g. `webhook.after-verify`, or `webhook.after-verify:3` for its third
    pass. None or an empty setting disarms. Raises ValueError if the number of passes is not a number. Called by
    `witiop.wiring` only."""
    name, _, passes = (setting or "").partition(":")
    with _armed.lock:
        _armed.name, _armed.passes = name or None, int(passes or 1)


def crash_point(name: str) -> None:
    """Ends the process if this crash point is armed and its pass is reached. Otherwise does nothing."""
    if _armed.name != name:
        return
    with _armed.lock:
        _armed.passes -= 1
        if _armed.passes == 0:
            os._exit(EXIT_CODE)
