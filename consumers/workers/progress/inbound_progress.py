"""How far inbound is processed, for workers that must not act on what a waiting record may change (architecture.md,
P6a): the inbound watermark, and whether records wait in partitions that nobody has started to read."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from time import monotonic
from typing import Any, Protocol

import structlog
from psycopg import Connection

from consumers.workers.progress.stall_detector import StallDetector
from infra.kafka.consumer import BrokerUnreachable
from infra.postgres.messaging.offsets import inbound_watermark, started_partitions


class UnreadBacklog(Protocol):
    """Knows which partitions of the inbound topic hold records although no consumer has started to read them."""

    def beyond(self, begun: Collection[int]) -> Sequence[int]:
        """Returns the partitions besides these that hold records now. Raises BrokerUnreachable."""
        ...


class InboundProgress:
    """The progress of inbound, as one worker sees it. `stalled_seconds` and `clock`: as for `StallDetector`. `backlog`:
    None where there is no broker and nothing can wait."""

    def __init__(
        self,
        worker: str,
        topic: str,
        stalled_seconds: float = 600,
        clock: Callable[[], float] = monotonic,
        backlog: UnreadBacklog | None = None,
    ) -> None:
        self._topic = topic
        self._clock = clock
        self._backlog = backlog
        self._stalls = StallDetector(stalled_seconds, clock)
        self._held_since = self._held_at = float("-inf")
        self.held_by: str | None = None
        """What keeps the worker waiting, for /readyz; None: nothing."""
        self._log = structlog.get_logger(worker)
        self._worker = worker

    def reset(self) -> None:
        """Restarts the time after which a consumer counts as stalled: nobody could make progress."""
        self._stalls.reset()

    def watermark(self, connection: Connection[Any]) -> datetime:
        """Returns the inbound watermark, without partitions whose consumer is stalled. Raises psycopg errors."""
        return inbound_watermark(connection, self._topic, self._stalls.stalled())

    def started(self, connection: Connection[Any]) -> set[int]:
        """Returns the partitions that a consumer has started to read. To be asked after the watermark: what reaches a
        new partition from then on is later than that. Raises psycopg errors."""
        return started_partitions(connection, self._topic)

    def is_held(self, started: Collection[int]) -> bool:
        """Returns whether everything must wait, because records may wait in partitions that nobody has started to read.
        After `stalled_seconds` nothing waits for them any more."""
        held_by = self._unread(started)
        if held_by != self.held_by:
            self._log.info(f"{self._worker}.held", by=held_by)
        self.held_by = held_by
        if held_by is None:
            return False
        at = self._clock()
        if at - self._held_at > self._stalls.seconds / 2:
            self._held_since = at
        self._held_at = at
        return at - max(self._held_since, self._stalls.watched_since) < self._stalls.seconds

    def _unread(self, started: Collection[int]) -> str | None:
        if self._backlog is None:
            return None
        try:
            partitions = self._backlog.beyond(started)
        except BrokerUnreachable as error:
            return f"broker unreachable ({error})"
        return f"no consumer has started with partitions {list(partitions)} of inbound" if partitions else None
