"""Live: what changes in the database changes in every page that shows it (architecture.md, P6b).

A hint says that something changed, never what. Then one reader looks, once for all open pages of the process: at the
rows that they show, at the tops of their lists, at the counts. What is no longer as a page has it is drawn and goes
down the page's stream of server-sent events. So five hundred pages cost the database what one costs, and a page that
was away for a while is told what differs when it comes back: there is nothing to replay.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import Generic, Protocol, Self, TypeVar

import psycopg
import psycopg_pool
import structlog

log = structlog.get_logger()

PAUSE_SECONDS = 0.5
"""Pages are told at most twice a second."""
REFRESH_SECONDS = 10.0
"""Without a hint the reader looks that often all the same, and each page hears that it is still heard."""
MAX_VIEWERS = 2000


class Listener(Protocol):
    """One connection that hears of changes."""

    def wait(self, seconds: float) -> bool: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


P = TypeVar("P")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Viewer(Generic[P]):
    """An open page: what it shows, and how it is woken."""

    shown: P
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event


class Broadcaster(Generic[P, S]):
    """Tells open pages what has changed. `run` belongs to a thread, `stream` to an event loop. `P`: what a page
    shows; `S`: how all that is shown stands."""

    def __init__(self, listen: Callable[[], Listener], look: Callable[[Sequence[P]], S]) -> None:
        """`listen` connects; `look` reads how everything stands that these pages show. Both raise psycopg errors."""
        self._listen = listen
        self._look = look
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._keys = count()
        self._viewers: dict[int, Viewer[P]] = {}
        self._seen: Collection[int] = frozenset()
        self._now: S | None = None

    @property
    def viewers(self) -> int:
        """Open pages."""
        return len(self._viewers)

    def run(self) -> None:
        """Hears, looks and tells until `end`; connects again when the connection is lost."""
        while not self._stop.is_set():
            try:
                with self._listen() as hints:
                    due = 0.0  # something may have changed while nobody listened
                    while not self._stop.is_set():
                        if hints.wait(0 if due == 0 else 1.0) or monotonic() >= due or self._somebody_came():
                            self._tell()
                            due = monotonic() + REFRESH_SECONDS
                            self._stop.wait(PAUSE_SECONDS)
            except (psycopg.OperationalError, psycopg_pool.PoolTimeout) as error:
                log.warning("live.lost", error=type(error).__name__)
                self._stop.wait(1.0)
            except Exception as error:  # a defect in one look must not leave every page behind for good
                log.error("live.failed", exc_info=error)
                self._stop.wait(1.0)

    def _somebody_came(self) -> bool:
        return any(key not in self._seen for key in list(self._viewers))

    def _tell(self) -> None:
        with self._lock:
            viewers = dict(self._viewers)
        if viewers:
            self._now = self._look([viewer.shown for viewer in viewers.values()])
        self._seen = viewers.keys()
        self._wake(viewers)

    def _wake(self, viewers: Mapping[int, Viewer[P]]) -> None:
        for loop in {viewer.loop for viewer in viewers.values()}:
            woken = [viewer.woken for viewer in viewers.values() if viewer.loop is loop]
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_set_all, woken)

    def end(self) -> None:
        """Ends `run` and every stream."""
        self._stop.set()
        with self._lock:
            viewers = dict(self._viewers)
        self._wake(viewers)

    async def stream(self, shown: P, draw: Callable[[P, S], Sequence[bytes] | None]) -> AsyncGenerator[bytes, None]:
        """Server-sent events. `draw`: those that bring the page from what it shows to what is so now; None: the page is
        nobody's any more, and its stream ends."""
        viewer = Viewer(shown, asyncio.get_running_loop(), asyncio.Event())
        key = next(self._keys)
        with self._lock:
            self._viewers[key] = viewer
        try:
            yield event("still")
            told_at = monotonic()
            while not self._stop.is_set():
                await viewer.woken.wait()
                viewer.woken.clear()
                if self._now is None or key not in self._seen:
                    continue
                events = draw(shown, self._now)
                if events is None:
                    return
                if not events and monotonic() - told_at >= REFRESH_SECONDS / 2:
                    events = [event("still")]
                for each in events:
                    yield each
                    told_at = monotonic()
        finally:
            with self._lock:
                del self._viewers[key]


def _set_all(woken: Sequence[asyncio.Event]) -> None:
    for each in woken:
        each.set()


def event(name: str, content: str = "") -> bytes:
    """One event on the wire."""
    lines = content.replace("\r", "\n").replace("\n", "\ndata: ")
    return f"event: {name}\ndata: {lines}\n\n".encode()
