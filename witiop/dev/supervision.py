"""How `witiop dev` keeps programs running, and shows what they say."""

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
"""Who ran that long starts again after the first, short pause."""


class Part(Protocol):
    """Something that runs, dies and can be started again: one of our processes, Kafka or PostgreSQL."""

    @property
    def pid(self) -> int | None:
        """None when it does not run."""

    def launch(self) -> None: ...
    def last_words(self) -> str:
        """Why it ended, in one line."""

    def stop(self) -> None:
        """End it and whatever an ended one left behind."""


class RunningProgram:
    """A program with its log shown line by line, each with the program's name in front."""

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
        """None while it runs, negative for the signal that killed it."""
        return None if self._process is None else self._process.poll()

    def launch(self) -> None:
        self._process = self._guard.spawn(self._argv, env=self._environment, output=subprocess.PIPE)
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._show, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def run(self) -> int:
        """Start it and wait for its end; gives its exit code."""
        self.launch()
        assert self._process is not None
        self._process.wait()
        self.stop()
        return self._process.returncode

    def last_words(self) -> str:
        code = self.exit_code
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}, its lines above say why"

    def stop(self) -> None:
        if self._process is not None:
            self._guard.end(self._process, STOP_SECONDS)
        if self._reader is not None:
            self._reader.join(timeout=1)  # the last lines; no longer for a pipe that somebody else inherited

    def _show(self, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                self._echo(f"{self._name:<13} | {readable(line.decode(errors='replace').rstrip())}")


def readable(line: str) -> str:
    """A log line for people: a JSON event as its time, level, name and fields; anything else as it is."""
    try:
        event = json.loads(line)
    except ValueError:
        return line
    if not isinstance(event, dict) or "event" not in event:
        return line
    time_of_day = str(event.pop("timestamp", ""))[11:19]
    level, name, trace = event.pop("level", None), event.pop("event"), event.pop("exception", None)
    words = (time_of_day, level and f"{level:<7}", name, *(f"{key}={value}" for key, value in event.items()))
    return " ".join(str(word) for word in words if word) + (f"\n{trace}" if trace else "")


class Supervisor:
    """Starts parts again that died: after a short pause, and after longer ones when they go on dying."""

    def __init__(self, echo: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._echo = echo
        self._clock = clock
        self._watched: list[_Watched] = []

    def watch(self, name: str, part: Part) -> None:
        """Look after a part that was launched."""
        self._watched.append(_Watched(name, part, self._clock()))

    def pids(self) -> dict[str, list[int]]:
        """The process ids of what runs now, by name."""
        return {each.name: [pid] for each in self._watched if (pid := each.part.pid) is not None}

    def look_after(self) -> None:
        """Take notice of who died, and start those whose pause is over."""
        for watched in self._watched:
            watched.look_after(self._clock(), self._echo)

    def require_started(self, name: str) -> None:
        """Raise LocalServerError when a part died so often that it will not come up by itself."""
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

    def look_after(self, now: float, echo: Callable[[str], None]) -> None:
        if self._due_at is None and self.part.pid is None:
            self._died(now, self.part.last_words(), echo)
            self.part.stop()
        elif self._due_at is not None and now >= self._due_at:
            self._launched_at, self._due_at = now, None
            try:
                self.part.launch()
            except (LocalServerError, OSError) as error:  # as a full disk: it may be over at the next try
                self._died(now, str(error), echo)

    def _died(self, now: float, last_words: str, echo: Callable[[str], None]) -> None:
        if now - self._launched_at > STEADY_SECONDS:
            self.deaths = 0
        pause = min(FIRST_PAUSE_SECONDS * 2**self.deaths, LONGEST_PAUSE_SECONDS)
        self.deaths += 1
        self.last_words = last_words
        self._due_at = now + pause
        echo(f"{self.name} ended: {last_words}; starting it again in {pause:g} s")
