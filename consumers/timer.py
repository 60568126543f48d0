"""The `timer`: closes windows at their end, and says so. It decides nothing: a conversation *is* closed when its window
is over, whoever looks; the timer makes it visible (domain.md, *Closed is derived*). It also ends the reservations that
nobody came for, so that the conversation is on the list again (mission.md, *exclusive*).

Any number may run: each takes the customers whose locks are free. Its now is the database's, and never later than what
waits in the inbound topic allows (architecture.md, P6a), so a backlog or a wrong clock closes nothing too early.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from threading import Event as Flag
from time import monotonic
from typing import Any

import psycopg
import structlog
from prometheus_client import Counter, Histogram
from psycopg import Connection

from consumers.changes import Changes
from domain.conversation import Conversation, Mark
from domain.ids import fact_id
from domain.thread import Cause, Thread
from domain.topics import Topics
from domain.transfers import expired, is_over
from infra.backoff import Backoff
from infra.crash import crash_point
from infra.postgres import directory
from infra.postgres.faults import fault
from infra.postgres.offsets import safe_now
from infra.postgres.queues import Queues
from infra.postgres.threads import Threads

BATCH = 1000
"""Conversations of one transaction; about 0.15 s of locks."""

_REST_SECONDS = 0.5

_CLOSED = Counter("witiop_timer_windows_closed", "Conversations closed because their window was over.")
_EXPIRED = Counter("witiop_timer_reservations_expired", "Reservations that ended with nobody ready.")
_LATE = Histogram(
    "witiop_timer_windows_closed_late_seconds",
    "How long after the end of its window a conversation was closed.",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)

log = structlog.get_logger("timer")


class Timer:
    """Closes what is over and ends reservations, until stopped.

    `transaction` as for the consumers. `stalled_seconds`: a partition whose consumer made no progress for this long,
    while this timer watched, is not waited for any more. After an outage of the database or of the machine the
    consumers get that time again. `clock`: seconds that only go forward."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        topics: Topics,
        stalled_seconds: float = 600,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._transaction = transaction
        self._clock = clock
        self._topics = topics
        self._stalled_seconds = stalled_seconds
        self._known = directory.Current()
        self._watched_since = self._looked_at = clock()
        self._trouble: str | None = "has not reached the database yet"

    def missing(self) -> str | None:
        """What keeps it from working, for /readyz; None: nothing."""
        return self._trouble

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises what is our own defect."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                done = max(self.end_reservations(), self.close_due())
            except psycopg.Error as error:
                if fault(error) != "transient":
                    raise
                self._watched_since = self._clock()
                self._trouble = f"database away ({type(error).__name__})"
                log.warning("timer.resting", reason=self._trouble)
                stop.wait(backoff.next())
                continue
            self._trouble = None
            backoff.reset()
            if done < BATCH:
                stop.wait(_REST_SECONDS)

    def _patience(self) -> float | None:
        """Seconds after which a partition counts as stalled; None: nothing was watched that long without a pause."""
        now = self._clock()
        if now - self._looked_at > self._stalled_seconds / 2:
            self._watched_since = now
        self._looked_at = now
        return self._stalled_seconds if now - self._watched_since >= self._stalled_seconds else None

    def close_due(self) -> int:
        """Closes at most `BATCH` conversations whose window is over; returns how many. One transaction: O(BATCH)."""
        with self._transaction() as connection:
            threads = Threads(connection)
            now = safe_now(connection, self._topics.inbound, self._patience())
            due = threads.due(now, BATCH)
            if not due:
                return 0
            free = threads.lock_free({customer for _, customer in due})
            crash_point("timer.after-lock")
            before = threads.still_due([c for c, customer in due if customer in free], now)
            changes = self._changes(connection, before)
            for conversation in before:
                changes.expire(conversation.customer_id, now)
            changes.write(connection, self._topics.conversations)
            changes.count(connection)
        for conversation in before:
            _LATE.observe((now - conversation.window_ends_at).total_seconds())
        _CLOSED.inc(len(before))
        return len(before)

    def end_reservations(self) -> int:
        """Ends at most `BATCH` reservations whose time is over; returns how many. One transaction: O(BATCH)."""
        with self._transaction() as connection:
            queues = Queues(connection)
            now = safe_now(connection, self._topics.inbound, self._patience())
            due = queues.reservations_over(now, BATCH)
            if not due:
                return 0
            free = Threads(connection).lock_free({customer for _, customer in due})
            crash_point("timer.after-lock")
            read = queues.read([c for c, customer in due if customer in free])
            before = [c for c in read if is_over(c, now)]
            changes = self._changes(connection, before)
            for conversation in before:
                here = Mark(now, fact_id("reservation", str(conversation.id), str(conversation.version)))
                cause = Cause((here.fact,), "clock")
                changes.decide(conversation.customer_id, conversation, expired(conversation, here), cause, now)
            changes.write(connection, self._topics.conversations)
            changes.count(connection)
        _EXPIRED.inc(len(before))
        return len(before)

    def _changes(self, connection: Connection[Any], conversations: Sequence[Conversation]) -> Changes:
        """Of locked customers, each with the one conversation that is active."""
        threads = {c.customer_id: Thread(c.customer_id, c.phone_number_id, (c,)) for c in conversations}
        return Changes(threads, self._known.read(connection))
