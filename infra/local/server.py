"""The base class of local servers: starts a process, waits until it is ready, explains why it died, and stops it."""

import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.errors import LocalServerError
from infra.local.guard import Guard, StopSignals

START_SECONDS = 60.0
STOP_SECONDS = 15.0
_STEP_SECONDS = 0.05
_TAIL_BYTES = 16384
_FULL_DISK_BYTES = 1024 * 1024


class LocalServer(ABC):
    """A server in a process of its own, with a log file in its directory. Ends with this process, however that ends.
    May be restarted any number of times. As a context manager, the server is ready inside the block."""

    def __init__(
        self,
        name: str,
        directory: Path,
        guard: Guard | None,
        stop_signals: StopSignals = (signal.SIGTERM, signal.SIGKILL),
    ) -> None:
        """`guard`: None to create one for this server."""
        self._name = name
        self._directory = directory.resolve()
        self._log = self._directory / f"{name.lower()}.log"
        self._guard, self._owns_guard = guard or Guard(), guard is None
        self._stop_signals = stop_signals
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id; None if the server does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @abstractmethod
    def launch(self) -> None:
        """Starts the server without waiting until it is ready. Prepares its directory the first time, and ends
        processes of an earlier run."""

    def wait_ready(self) -> None:
        """Blocks until the server answers, for at most START_SECONDS. Raises LocalServerError with the reason if it
        does not."""
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.pid is None:
                raise LocalServerError(f"{self._name} ended during startup: {self.last_words()}")
            if time.monotonic() > until:
                raise LocalServerError(
                    f"{self._name} was not ready after {START_SECONDS:.0f} s: {self.last_words()}; see {self._log}"
                )
            time.sleep(_STEP_SECONDS)

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        self.launch()
        self.wait_ready()

    def stop(self, grace_seconds: float = STOP_SECONDS) -> None:
        """Stops the server in order, or by force after the grace time. Does nothing if it never ran."""
        self._end(grace_seconds)
        if self._owns_guard:
            self._guard.close()

    def last_words(self) -> str:
        """Returns the reason why the server ended, as one line."""
        code = None if self._process is None else self._process.poll()
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        if shutil.disk_usage(self._directory).free < _FULL_DISK_BYTES:  # its log may not say so
            return _full_disk(self._directory)
        return failure_line(self._read_log(), self._directory)

    @abstractmethod
    def _answers(self) -> bool:
        """Whether clients can connect."""

    def _spawn(self, argv: Sequence[str | Path], cwd: Path) -> None:
        """Starts the process with an empty log. Renames the log of the previous run and ends all its processes."""
        self._end(STOP_SECONDS)
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.before"))
        with self._log.open("wb") as output:
            self._process = self._guard.spawn(argv, stop_signals=self._stop_signals, cwd=cwd, output=output)

    def _end(self, grace_seconds: float) -> None:
        if self._process is not None:
            self._guard.end(self._process, grace_seconds)
            self._process = None

    def _prepare(self, argv: Sequence[str | Path]) -> None:
        """Runs a program that prepares the directory. Raises LocalServerError if it fails."""
        code, output = self._guard.run(argv, self._directory)
        if code != 0:
            reason = failure_line(output, self._directory)
            raise LocalServerError(f"{self._name} cannot prepare its directory: {reason}")

    def _read_log(self) -> str:
        """Returns the last 16 KiB of the log."""
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def failure_line(output: str, directory: Path) -> str:
    """Returns the line of a program's output that best explains its failure. `directory`: that of its data."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if any("No space left on device" in line for line in lines):
        return _full_disk(directory)
    errors = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "ERROR", "rror:"))]
    return (errors or lines or ["no output"])[-1]


def _full_disk(directory: Path) -> str:
    return f"the disk of {directory} is full: free some space and start again"
