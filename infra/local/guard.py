"""Starts child processes that never outlive this process, however it ends.

Each child leads a session and a process group of its own, so that Ctrl-C in the terminal reaches only this process,
which then stops the children in order. A small watcher process holds the other end of a pipe. When the pipe is closed
because this process ended or was killed, the watcher stops the remaining children and ends. The pipe works in the same
way on Linux and macOS and does not depend on the thread that started the child, unlike Linux's PR_SET_PDEATHSIG.

This file is also the program of the watcher and of a small launcher. The launcher writes a child's process id into the
pipe before it becomes that child, so that no child is ever unguarded.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

GRACE_SECONDS = 5.0
FORCE_SECONDS = 7.0
"""After SIGQUIT, PostgreSQL waits 5 s for those of its own processes that do not react."""
StopSignals = tuple[signal.Signals, signal.Signals]
"""The signals to stop a process: the first asks, the second forces. Processes that still run then are killed."""
_PYTHON = (sys.executable, "-I", "-S", __file__)


class Child(Protocol):
    """A process that leads a process group of its own, with these of the members of `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, number: int, /) -> None: ...


class Guard:
    """Starts processes that end, at the latest, a few seconds after this process."""

    def __init__(self, holds: Iterable[int] = ()) -> None:
        """`holds`: file descriptors (of locks) that stay open until all guarded processes have ended."""
        self._holds = tuple(holds)
        self._live: dict[int, tuple[Child, StopSignals]] = {}
        self._pipe = -1
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def guarded(self) -> Sequence[int]:
        """The ids of the processes that were started here and not reaped yet."""
        return list(self._live)

    def spawn(
        self,
        argv: Sequence[str | Path],
        *,
        stop_signals: StopSignals = (signal.SIGTERM, signal.SIGKILL),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        output: IO[bytes] | int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Starts a process. `output` receives its stdout and stderr; its stdin is empty."""
        self.ensure_watcher()
        process = subprocess.Popen(
            [*_PYTHON, "launch", str(self._pipe), _words(stop_signals), *map(str, argv)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output is not None else None,
            env=env,
            cwd=cwd,
            start_new_session=True,
            pass_fds=[self._pipe],
        )
        self._live[process.pid] = (process, stop_signals)
        return process

    def adopt(self, process: Child) -> None:
        """Guards a process that was started elsewhere."""
        self.ensure_watcher()
        stop_signals = (signal.SIGTERM, signal.SIGKILL)
        self._live[process.pid] = (process, stop_signals)
        self._tell(f"+{process.pid} {_words(stop_signals)}")

    def run(self, argv: Sequence[str | Path], cwd: Path) -> tuple[int, str]:
        """Runs a process until it ends. Returns its exit code and its output."""
        process = self.spawn(argv, cwd=cwd, output=subprocess.PIPE)
        try:
            output, _ = process.communicate()
        finally:
            self.reap(process)
        return process.returncode, output.decode(errors="replace")

    def end(self, process: Child, grace_seconds: float) -> None:
        """Asks a process to end, forces it after the grace time, and kills the rest of its process group. Blocks until
        it has ended."""
        if process.poll() is None:
            asking, forcing = self._live[process.pid][1]
            for number, seconds in ((asking, grace_seconds), (forcing, FORCE_SECONDS)):
                _signal_group(process.pid, signal.SIGCONT)  # a stopped process would not get the signal
                process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
                    break
        self.reap(process)

    def reap(self, process: Child) -> None:
        """Kills a process and its process group, waits for it, and stops guarding it. Has no effect the second time."""
        if self._live.pop(process.pid, None) is None:
            return  # reaped before: the system may have reused its id for another process
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        self._tell(f"-{process.pid}")

    def force(self) -> None:
        """Forces all guarded processes to end, without waiting for them."""
        for pid, (_, (_, forcing)) in list(self._live.items()):
            _signal_group(pid, forcing)

    def ensure_watcher(self) -> None:
        """Starts the watcher if it does not run, also after it was killed."""
        if self._watcher is not None and self._watcher.poll() is None:
            return
        if self._watcher is not None:
            os.close(self._pipe)
        reading, self._pipe = os.pipe()
        self._watcher = subprocess.Popen(
            [*_PYTHON, "watch", str(reading)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe that stdout is connected to must end with this process
            start_new_session=True,
            pass_fds=[reading, *self._holds],
        )
        os.close(reading)
        for pid, (_, stop_signals) in self._live.items():
            self._tell(f"+{pid} {_words(stop_signals)}")

    def close(self) -> None:
        """Ends all guarded processes and the watcher. Returns when they have ended."""
        for process, _ in list(self._live.values()):
            self.end(process, GRACE_SECONDS)
        if self._watcher is not None:
            os.close(self._pipe)
            self._watcher.wait()
            self._watcher = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # as in _launch
            os.write(self._pipe, f"{line}\n".encode())


def _words(stop_signals: StopSignals) -> str:
    return " ".join(str(int(number)) for number in stop_signals)


def _launch(pipe: str, stop_signals: str, *argv: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # the watcher was killed: ensure_watcher() tells its successor
        os.write(int(pipe), f"+{os.getpid()} {stop_signals}\n".encode())
    os.close(int(pipe))
    os.umask(0o077)  # what a server writes is for this user only
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and ignoring is inherited
    os.execvp(argv[0], argv)  # noqa: S606


def _watch(pipe: str) -> None:
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    guarded: dict[int, tuple[int, ...]] = {}
    with open(int(pipe), encoding="ascii") as lines:  # noqa: PTH123 - a file descriptor
        for line in lines:
            pid, *stop_signals = (int(word) for word in line[1:].split())
            if line.startswith("+"):
                guarded[pid] = tuple(stop_signals)
            else:
                guarded.pop(pid, None)
    for step, seconds in enumerate((GRACE_SECONDS, FORCE_SECONDS)):
        remaining = [group for group in guarded if _signal_group(group, signal.SIGCONT)]
        for group in remaining:
            _signal_group(group, guarded[group][step])
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(_signal_group(group, 0) for group in remaining):
            time.sleep(0.05)
    for group in guarded:
        _signal_group(group, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> bool:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of dead processes
        return False
    return True


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        _watch(sys.argv[2])
    else:
        _launch(*sys.argv[2:])
