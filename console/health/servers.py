"""What the servers of the installation show, looked at behind the pages: a page never waits for a server."""

import threading
from collections.abc import Callable
from time import monotonic

import structlog

from domain.setup.seen import ServersSeen

SECONDS = 60.0
log = structlog.get_logger()


class ServersCache:
    """The latest look, from any number of threads. `look` None: there is nothing to look at. `clock`: seconds that only
    increase."""

    def __init__(
        self,
        look: Callable[[], ServersSeen] | None = None,
        seconds: float = SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._look = look
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._begun_at = float("-inf")
        self._seen: ServersSeen | None = None

    def latest(self) -> ServersSeen | None:
        """Returns the latest look; None: the first one is not over. Begins another one if that is due."""
        with self._lock:
            now = self._clock()
            if self._look is None or now - self._begun_at < self._seconds:
                return self._seen
            self._begun_at = now
        threading.Thread(target=self._run, args=(self._look,), name="setup-servers", daemon=True).start()
        return self._seen

    def _run(self, look: Callable[[], ServersSeen]) -> None:
        try:
            self._seen = look()
        except Exception as error:  # a defect must not end the only look that pages wait for without a trace
            log.error("console.servers_not_seen", error=type(error).__name__)
