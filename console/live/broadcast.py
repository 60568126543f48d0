"""Broadcasting changes in the database to every open page that shows them (architecture.md, P6b).

A hint says that something changed, never what. One reader then looks once for all open pages of the process: at the
rows that they show, the tops of their lists, the counts, and the results of their commands. Whatever differs from what
a page has is rendered and sent on the page's stream of server-sent events. So five hundred pages cost the database what
one costs. A page that reconnects is sent whatever differs by then; there is nothing to replay.
"""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Mapping, Sequence
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
"""The shortest time between two looks at lists."""
REFRESH_SECONDS = 10.0
"""The longest time between two looks of a list without a hint; each page also receives an event at least that often."""
MAX_VIEWERS, MAX_VIEWERS_OF_ONE = 2000, 30
"""Open pages of all sessions, and of one: nobody's pages shut those of others out."""


class Listener(Protocol):
    """A connection that receives hints."""

    def wait(self, seconds: float) -> bool: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


P = TypeVar("P")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Viewer(Generic[P]):
    """An open page: whose it is, what it shows, and how its stream is woken."""

    session: Hashable
    shown: P
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event


class Broadcaster(Generic[P, S]):
    """Sends changes to open pages. `run` belongs in a thread, `stream` in an event loop. `P`: what a page shows; `S`:
    the current state of everything that pages show."""

    def __init__(
        self,
        listen: Callable[[], Listener],
        look: Callable[[Sequence[P]], S],
        refresh_seconds: float = REFRESH_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        """`listen` connects; `look` reads the current state of what these pages show. Both raise psycopg errors.
        `refresh_seconds`: the longest time between two looks without a hint; `pause_seconds`: the shortest time between
        two looks."""
        self._refresh_seconds = refresh_seconds
        self._pause_seconds = pause_seconds
        self._listen = listen
        self._look = look
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._keys = count()
        self._viewers: dict[int, Viewer[P]] = {}
        self._seen: Collection[int] = frozenset()
        self._state: S | None = None

    @property
    def viewers(self) -> int:
        """The number of open pages."""
        return len(self._viewers)

    def has_room(self, session: Hashable) -> bool:
        """Whether this session may open one more page. O(open pages)."""
        with self._lock:
            own = sum(each.session == session for each in self._viewers.values())
            return len(self._viewers) < MAX_VIEWERS and own < MAX_VIEWERS_OF_ONE

    def run(self) -> None:
        """Listens, looks and broadcasts until `end`. Reconnects when the connection is lost."""
        while not self._stop.is_set():
            try:
                with self._listen() as hints:
                    due = 0.0  # something may have changed while there was no connection
                    while not self._stop.is_set():
                        if hints.wait(0 if due == 0 else 1.0) or monotonic() >= due or self._has_new_viewer():
                            self._broadcast()
                            due = monotonic() + self._refresh_seconds
                            self._stop.wait(self._pause_seconds)
            except (psycopg.OperationalError, psycopg_pool.PoolTimeout) as error:
                log.warning("live.connection_lost", error=type(error).__name__)
                self._stop.wait(1.0)
            except Exception as error:  # a defect in one look must not stop the updates of all pages for good
                log.error("live.failed", exc_info=error)
                self._stop.wait(1.0)

    def _has_new_viewer(self) -> bool:
        return any(key not in self._seen for key in list(self._viewers))

    def _broadcast(self) -> None:
        with self._lock:
            viewers = dict(self._viewers)
        if viewers:
            self._state = self._look([viewer.shown for viewer in viewers.values()])
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

    async def stream(
        self, session: Hashable, shown: P, render: Callable[[P, S], Sequence[bytes] | None]
    ) -> AsyncGenerator[bytes, None]:
        """Server-sent events for one page of a session. `render` returns those that bring the page from what it shows
        to the current state, and notes in `shown` what was sent; None: the session is over, and the stream ends."""
        viewer = Viewer(session, shown, asyncio.get_running_loop(), asyncio.Event())
        key = next(self._keys)
        with self._lock:
            self._viewers[key] = viewer
        try:
            yield event("still")
            sent_at = monotonic()
            while not self._stop.is_set():
                await viewer.woken.wait()
                viewer.woken.clear()
                if self._state is None or key not in self._seen:
                    continue
                events = render(shown, self._state)
                if events is None:
                    return
                if not events and monotonic() - sent_at >= self._refresh_seconds / 2:
                    events = [event("still")]
                for each in events:
                    yield each
                    sent_at = monotonic()
        finally:
            with self._lock:
                del self._viewers[key]


def _set_all(woken: Sequence[asyncio.Event]) -> None:
    for each in woken:
        each.set()


def event(name: str, content: str = "") -> bytes:
    """One event as it is sent."""
    lines = content.replace("\r", "\n").replace("\n", "\ndata: ")
    return f"event: {name}\ndata: {lines}\n\n".encode()


class CommandSender(Protocol):
    """A page whose person sends commands. `answers`: of each command the number of results that the page was told."""

    person: str
    answers: Mapping[str, int]


def new_results(shown: CommandSender, answers: Mapping[str, Mapping[str, int]]) -> list[bytes]:
    """Returns the event that tells a page of results of its person's commands, if there are new ones. `answers`: per
    person, the number of results of each command."""
    own = answers.get(shown.person, {})
    new = {request_id: n for request_id, n in own.items() if shown.answers.get(request_id) != n}
    shown.answers = own
    return [event("results", json.dumps(new))] if new else []


class MarkedPage(CommandSender, Protocol):
    """A page that asks for itself again when what it shows has changed. `mark`: how that stood when the page was last
    told; None: it was not told yet."""

    session: bytes
    mark: str | None


def mark_changes(
    shown: MarkedPage, mark: str | None, living: Collection[bytes], answers: Mapping[str, Mapping[str, int]]
) -> Sequence[bytes] | None:
    """Returns the events that tell a page that something changed; None: its session may no longer look. `mark`: how
    what it shows stands now; `living`: the sessions that may still look. The first look tells a page in any case:
    something may have changed between its reading and its stream."""
    if shown.session not in living:
        return None
    events = []
    if mark != shown.mark:
        shown.mark = mark
        events.append(event("open"))
    events += new_results(shown, answers)
    return events
