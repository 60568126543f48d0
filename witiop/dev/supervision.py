"""Restarts the programs of `witiop dev` when they die, and shows their logs."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Protocol

from infra.local.errors import LocalServerError
from infra.local.guard import Guard

STOP_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0
STEADY_SECONDS = 10.0
"""Running time after which the pause before a restart is reset to the shortest one."""


class Part(Protocol):
    """A restartable part of the stack: one of our processes, Kafka, PostgreSQL or SES."""

    @property
    def pid(self) -> int | None:
        """Process id, None when the part is not running."""

    def launch(self) -> None: ...
    def last_words(self) -> str:
        """Returns in one line why the part ended."""

    def stop(self) -> None:
        """Stops the part and cleans up after it if it has already died."""


class RunningProgram:
    """A child process whose log is shown line by line, prefixed with its name."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        guard: Guard,
        echo: Callable[[str], None],
    ) -> None:
        self._name = name
        self._argv = argv
        self._environment = environment
        self._guard = guard
        self._echo = echo
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """Exit code, None while the program is running, negative for the signal that killed it."""
        return None if self._process is None else self._process.poll()

    def launch(self) -> None:
        self._process = self._guard.spawn(self._argv, env=self._environment, output=subprocess.PIPE)
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._show, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def run(self) -> int:
        """Starts the program, waits until it exits and returns its exit code."""
        self.launch()
        assert self._process is not None
        self._process.wait()
        self.stop()
        return self._process.returncode

    def last_words(self) -> str:
        code = self.exit_code
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}, see its log above"

    def stop(self) -> None:
        if self._process is not None:
            self._guard.end(self._process, STOP_SECONDS)
        if self._reader is not None:
            self._reader.join(
                timeout=1
            )  # for the last lines; no longer, because another process may have inherited the pipe

    def _show(self, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                self._echo(f"{self._name:<13} | {readable(line.decode(errors='replace').rstrip())}")


def readable(line: str) -> str:
    """Returns a log line for people: time, level, name and fields of a JSON event; other lines unchanged."""
    try:
        event = json.loads(line)
    except ValueError:
        return line
    if not isinstance(event, dict) or "event" not in event:
        return line
    time_of_day = str(event.pop("timestamp", ""))[11:19]
    level, name, trace = event.pop("level", None), event.pop("event"), event.pop("exception", None)
    parts = (time_of_day, level and f"{level:<7}", name, *(f"{key}={value}" for key, value in event.items()))
    return " ".join(str(part) for part in parts if part) + (f"\n{trace}" if trace else "")


class Supervisor:
    """Restarts parts that die, after pauses that double while a part keeps dying."""

    def __init__(self, echo: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._echo = echo
        self._clock = clock
        self._watched: list[_Watched] = []

    def watch(self, name: str, part: Part) -> None:
        """Adds a part that was launched."""
        self._watched.append(_Watched(name, part, self._clock()))

    def pids(self) -> dict[str, list[int]]:
        """Returns the process ids of the running parts, by name."""
        return {each.name: [pid] for each in self._watched if (pid := each.part.pid) is not None}

    def check(self) -> None:
        """Detects dead parts and restarts those whose pause is over."""
        for watched in self._watched:
            watched.check(self._clock(), self._echo)

    def require_started(self, name: str) -> None:
        """Raises LocalServerError if a part died so often that another restart is unlikely to help."""
        for watched in self._watched:
            if watched.name == name and watched.deaths >= 3:
                raise LocalServerError(f"{name} does not start: {watched.last_words}")


class _Watched:
    def __init__(self, name: str, part: Part, now: float) -> None:
        self.name = name
        self.part = part
        self.deaths = 0
        self.last_words = ""
        self._launched_at = now
        self._due_at: float | None = None

    def check(self, now: float, echo: Callable[[str], None]) -> None:
        if self._due_at is None and self.part.pid is None:
            self._died(now, self.part.last_words(), echo)
            self.part.stop()
        elif self._due_at is not None and now >= self._due_at:
            self._launched_at, self._due_at = now, None
            try:
                self.part.launch()
            except (LocalServerError, OSError) as error:  # e.g. a full disk: the next attempt may succeed
                self._died(now, str(error), echo)

    def _died(self, now: float, last_words: str, echo: Callable[[str], None]) -> None:
        if now - self._launched_at > STEADY_SECONDS:
            self.deaths = 0
        pause = min(FIRST_PAUSE_SECONDS * 2**self.deaths, LONGEST_PAUSE_SECONDS)
        self.deaths += 1
        self.last_words = last_words
        self._due_at = now + pause
        echo(f"{self.name} ended: {last_words}; restarting it in {pause:g} s")
