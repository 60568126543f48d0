"""Nothing that was started here outlives this process, however it ends.

A guarded process leads a session and a process group of its own, so that Ctrl-C in the terminal reaches only
the one who stops them in order. A small watcher process holds the other end of a pipe: when that pipe ends,
because this process ended or was killed, the watcher stops what is left and then ends too. The pipe works the
same on Linux and macOS and does not depend on the thread that started the child, as Linux's PR_SET_PDEATHSIG
does. This file is also the program of the watcher and of the small launcher that enters a child's process id
into the pipe before it becomes that child, so that there is no instant at which a child is not guarded.
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
from typing import IO, Self

GRACE_SECONDS = 5.0
FORCE_SECONDS = 7.0
"""PostgreSQL, forced by SIGQUIT, gives processes of its own that do not react another 5 s."""
StopSignals = tuple[signal.Signals, signal.Signals]
"""The first asks a process to end, the second forces it; what is left after that is killed."""
_PYTHON = (sys.executable, "-I", "-S", __file__)


class Guard:
    """Starts processes that end, at the latest, a few seconds after this process."""

    def __init__(self, holds: Iterable[int] = ()) -> None:
        """`holds` are file descriptors (of locks) that stay open until everything guarded has ended."""
        self._holds = tuple(holds)
        self._live: dict[int, tuple[subprocess.Popen[bytes], StopSignals]] = {}
        self._pipe = -1
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def guarded(self) -> Sequence[int]:
        """The process ids of those that were started here and are not buried yet."""
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
        """Start a process; `output` takes its stdout and stderr, its stdin is empty."""
        self.keep()
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

    def run(self, argv: Sequence[str | Path], cwd: Path) -> tuple[int, str]:
        """Run a process to its end; gives its exit code and what it wrote."""
        process = self.spawn(argv, cwd=cwd, output=subprocess.PIPE)
        try:
            output, _ = process.communicate()
        finally:
            self.bury(process)
        return process.returncode, output.decode(errors="replace")

    def end(self, process: subprocess.Popen[bytes], grace_seconds: float) -> None:
        """Ask a process to end, force it after the grace time, and kill what is left of its group; may block."""
        if process.poll() is None:
            asking, forcing = self._live[process.pid][1]
            for number, seconds in ((asking, grace_seconds), (forcing, FORCE_SECONDS)):
                _signal_group(process.pid, signal.SIGCONT)  # a stopped one would not hear
                process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
                    break
        self.bury(process)

    def bury(self, process: subprocess.Popen[bytes]) -> None:
        """Kill what is left of a process and of its group, and stop guarding it."""
        if self._live.pop(process.pid, None) is None:
            return  # buried before: its number may be somebody else's by now
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        self._tell(f"-{process.pid}")

    def force(self) -> None:
        """Force everything guarded to end at once; whoever waits for it goes on."""
        for pid, (_, (_, forcing)) in list(self._live.items()):
            _signal_group(pid, forcing)

    def keep(self) -> None:
        """Make sure that the watcher is there; one that was killed is replaced."""
        if self._watcher is not None and self._watcher.poll() is None:
            return
        if self._watcher is not None:
            os.close(self._pipe)
        reading, self._pipe = os.pipe()
        self._watcher = subprocess.Popen(
            [*_PYTHON, "watch", str(reading)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe that this process wrote to ends with it
            start_new_session=True,
            pass_fds=[reading, *self._holds],
        )
        os.close(reading)
        for pid, (_, stop_signals) in self._live.items():
            self._tell(f"+{pid} {_words(stop_signals)}")

    def close(self) -> None:
        """End everything that is still guarded and the watcher; returns when they are gone."""
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
    with contextlib.suppress(BrokenPipeError):  # a killed watcher: keep() tells its successor
        os.write(int(pipe), f"+{os.getpid()} {stop_signals}\n".encode())
    os.close(int(pipe))
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
    for turn, seconds in enumerate((GRACE_SECONDS, FORCE_SECONDS)):
        left = [group for group in guarded if _signal_group(group, signal.SIGCONT)]
        for group in left:
            _signal_group(group, guarded[group][turn])
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(_signal_group(group, 0) for group in left):
            time.sleep(0.05)
    for group in guarded:
        _signal_group(group, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> bool:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # macOS says EPERM for a group of dead processes
        return False
    return True


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        _watch(sys.argv[2])
    else:
        _launch(*sys.argv[2:])
