"""Live: a hint from the database becomes a hint to every open page, which then looks again (architecture.md, P6b)."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Protocol, Self

import psycopg
import structlog

log = structlog.get_logger()

PAUSE_SECONDS = 0.25
"""Hints are joined: at most four a second."""
REFRESH_SECONDS = 15.0
"""Pages look again that often also without a hint."""
LONGEST_SECONDS = 300.0
"""Then the browser connects again, and is asked again whether it may."""
VIEWERS_PER_SECOND = 50
"""How many pages may look again in one second; with more of them each waits longer."""
MAX_VIEWERS = 2000


class Listener(Protocol):
    """One connection that hears of changes."""

    def wait(self, seconds: float) -> bool: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


class Live:
    """Tells open pages. `run` belongs to a thread; `stream` to an event loop."""

    def __init__(self, listen: Callable[[], Listener]) -> None:
        """`listen` connects; raises psycopg.OperationalError."""
        self._listen = listen
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._viewers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @property
    def viewers(self) -> int:
        """Open pages."""
        return len(self._viewers)

    @property
    def pace_ms(self) -> int:
        """How long a page waits between two looks."""
        return 1000 * max(1, -(-self.viewers // VIEWERS_PER_SECOND))

    def run(self) -> None:
        """Hears and tells until `end`; connects again when the connection is lost."""
        while not self._stop.is_set():
            try:
                with self._listen() as hints:
                    self.tell()  # something may have changed while nobody listened
                    while not self._stop.is_set():
                        if hints.wait(1.0):
                            self.tell()
                            self._stop.wait(PAUSE_SECONDS)
            except psycopg.Error as error:
                log.warning("live.lost", error=type(error).__name__)
                self._stop.wait(1.0)

    def tell(self) -> None:
        """Wakes every page."""
        with self._lock:
            viewers = list(self._viewers.items())
        for woken, loop in viewers:
            with suppress(RuntimeError):  # its loop has ended
                loop.call_soon_threadsafe(woken.set)

    def end(self) -> None:
        """Ends `run` and every stream."""
        self._stop.set()
        self.tell()

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Server-sent events: `changed` at every hint, at the start and now and then."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            self._viewers[woken] = loop
        try:
            until = loop.time() + LONGEST_SECONDS
            while not self._stop.is_set() and loop.time() < until:
                woken.clear()
                yield event(self.pace_ms)
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), REFRESH_SECONDS)
        finally:
            with self._lock:
                del self._viewers[woken]


def event(pace_ms: int) -> bytes:
    """One hint on the wire."""
    return f"event: changed\ndata: {pace_ms}\n\n".encode()
