"""Looks at what open lists show, as the last step of the traces that changed it (docs/design/observability.md)."""

from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Generic, TypeVar

from infra.process.traces import Traces

P = TypeVar("P")
S = TypeVar("S")

_REMEMBERED = 200
_STALE_SECONDS = 10.0
"""Without open pages nobody looks: what changed so long ago is part of no look."""


class TracedLook(Generic[P, S]):
    """A `look` of `console.live.broadcast.Broadcaster` with a step for each trace that it was told of. Not thread-safe:
    hints are received, and looks are made, in one thread."""

    def __init__(self, traces: Traces, look: Callable[[Sequence[P]], S]) -> None:
        self._traces = traces
        self._look = look
        self._told: deque[tuple[float, str]] = deque(maxlen=_REMEMBERED)

    def told(self, traceparents: Sequence[str]) -> None:
        """Takes the steps that changed something."""
        now = monotonic()
        self._told.extend((now, each) for each in traceparents)

    def look(self, shown: Sequence[P]) -> S:
        """Reads the current state. Raises psycopg errors."""
        since, told = monotonic() - _STALE_SECONDS, list(self._told)
        self._told.clear()
        attributes = {"witiop.lists": len(shown)}
        begun = (
            self._traces.resume(step, "look for open lists", "internal", attributes) for at, step in told if at > since
        )
        steps = [step for step in begun if step is not None]
        failure: str | None = "failed"
        try:
            state = self._look(shown)
            failure = None
            return state
        finally:
            for step in steps:
                step.end(failure)
