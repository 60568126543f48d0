"""One server process: started, watched until it is ready, explained when it dies, stopped."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.local.errors import LocalServerError
from infra.local.guard import Guard, StopSignals

_STEP_SECONDS = 0.05
_TAIL_BYTES = 16384
_FULL_DISK_BYTES = 1024 * 1024


class ServerProcess:
    """A guarded process that writes its log into a file; start it again after it ended as often as needed."""

    def __init__(self, name: str, log: Path, guard: Guard, stop_signals: StopSignals) -> None:
        self.name = name
        self.log = log
        self._guard = guard
        self._stop_signals = stop_signals
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def launch(self, argv: Sequence[str | Path], cwd: Path) -> None:
        """Start it with an empty log; that of the run before stays beside it."""
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.before"))
        with self.log.open("wb") as output:
            self._process = self._guard.spawn(argv, stop_signals=self._stop_signals, cwd=cwd, output=output)

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Block until it is ready; LocalServerError says why when it ended or took longer than that."""
        until = time.monotonic() + seconds
        while not ready():
            if self.pid is None:
                raise LocalServerError(f"{self.name} ended at its start: {self.last_words()}")
            if time.monotonic() > until:
                raise LocalServerError(
                    f"{self.name} was not ready after {seconds:.0f} s: {self.last_words()}; see {self.log}"
                )
            time.sleep(_STEP_SECONDS)

    def read_log(self) -> str:
        """The end of its log."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace")

    def last_words(self) -> str:
        """Why it ended, in one line."""
        code = None if self._process is None else self._process.poll()
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        if shutil.disk_usage(self.log.parent).free < _FULL_DISK_BYTES:  # then its log may be silent about it
            return _full_disk(self.log.parent)
        return telling_line(self.read_log(), self.log.parent)

    def end(self, grace_seconds: float) -> None:
        """Stop it, after the grace time by force; does nothing when it never ran."""
        if self._process is not None:
            self._guard.end(self._process, grace_seconds)
            self._process = None


def telling_line(output: str, directory: Path) -> str:
    """The line of a program's output that says best why it failed; `directory` is where it keeps its data."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if any("No space left on device" in line for line in lines):
        return _full_disk(directory)
    telling = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "ERROR", "rror:"))]
    return (telling or lines or ["it wrote nothing"])[-1]


def _full_disk(directory: Path) -> str:
    return f"the disk of {directory} is full: free some space and start again"
