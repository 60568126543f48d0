"""The `timer`: closes windows at their end, and says so. It decides nothing: a conversation *is* closed when its window
is over, whoever looks; the timer makes it visible (domain.md, *Closed is derived*). It also ends the reservations that
nobody came for, so that the conversation is on the list again (mission.md, *exclusive*).

Any number may run: each takes the customers whose locks are free. Its now is the database's, and never later than what
waits in the inbound topic allows (architecture.md, P6a), so a backlog or a wrong clock closes nothing too early. What
waits in a partition that no consumer has begun to read, only the broker knows; it is asked when something is due.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from threading import Event as Flag
from time import monotonic
from typing import Any, Protocol

import psycopg
import structlog
from prometheus_client import Counter, Histogram
from psycopg import Connection

from consumers.changes.conversations import UnitOfWork
from consumers.workers.stall_detector import StallDetector
from consumers.workers.worker_loop import WorkerLoop
from domain.conversations.conversation import Conversation
from domain.conversations.fold import Cause, CustomerHistory
from domain.ids import ConversationId, CustomerId
from domain.routing.transfers import after_expiry, expiry_ref, has_expired
from domain.topics import Topics
from infra.kafka.consumer import BrokerUnreachable
from infra.postgres import directory
from infra.postgres.conversations.queues import Queues
from infra.postgres.conversations.threads import CustomerHistories
from infra.postgres.messaging.offsets import begun, inbound_watermark
from infra.process.crash_points import crash_point

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

_Found = Sequence[tuple[ConversationId, CustomerId]]

log = structlog.get_logger("timer")


class UnreadBacklog(Protocol):
    """Knows what waits on the inbound topic where no consumer has begun to read."""

    def beyond(self, begun: Collection[int]) -> Sequence[int]:
        """The partitions besides these that hold records now. Raises BrokerAway."""
        ...


class Timer:
    """Closes what is over and ends reservations, until stopped.

    `transaction` as for the consumers. `stalled_seconds` and `clock`: as for `StallDetector`. `waiting`: None where no
    broker is and nothing can wait."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        topics: Topics,
        stalled_seconds: float = 600,
        clock: Callable[[], float] = monotonic,
        waiting: UnreadBacklog | None = None,
    ) -> None:
        self._transaction = transaction
        self._clock = clock
        self._topics = topics
        self._waiting = waiting
        self._patience = StallDetector(stalled_seconds, clock)
        self._known = directory.DirectoryCache()
        self._held_since = self._held_at = float("-inf")
        self._held_by: str | None = None
        self._rounds = WorkerLoop("timer", self._round)

    def not_ready_reason(self) -> str | None:
        """What keeps it from working, for /readyz; None: nothing."""
        return self._rounds.not_ready_reason() or self._held_by

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises what is our own defect."""
        self._rounds.run(stop)

    def _round(self, _: Flag) -> float:
        try:
            done = max(self.end_reservations(), self.close_due())
        except psycopg.Error:
            self._patience.reset()
            raise
        return 0.0 if done >= BATCH else _REST_SECONDS

    def _due(self, find: Callable[[Connection[Any], datetime], _Found]) -> tuple[datetime, _Found]:
        """The moment up to which everything is worked in, and what is due then: conversations with their customers."""
        with self._transaction() as connection:
            now = inbound_watermark(connection, self._topics.inbound, self._patience.stalled())
            due = find(connection, now)
            known = begun(connection, self._topics.inbound) if due else set()
        # Asked after `now` was read: what comes to a new partition from here on came later than that.
        return now, () if due and self._held(known) else due

    def _held(self, known: Collection[int]) -> bool:
        """Whether everything must wait, because records do in partitions that are not known, or nobody can tell."""
        held_by = self._unread(known)
        if held_by != self._held_by:
            log.info("timer.held", by=held_by)
        self._held_by = held_by
        if held_by is None:
            return False
        at = self._clock()
        if at - self._held_at > self._patience.seconds / 2:
            self._held_since = at
        self._held_at = at
        return at - max(self._held_since, self._patience.watched_since) < self._patience.seconds

    def _unread(self, known: Collection[int]) -> str | None:
        if self._waiting is None:
            return None
        try:
            partitions = self._waiting.beyond(known)
        except BrokerUnreachable as away:
            return f"broker away ({away})"
        return f"no consumer has begun with partitions {list(partitions)} of inbound" if partitions else None

    def close_due(self) -> int:
        """Closes at most `BATCH` conversations whose window is over; returns how many. Locks O(BATCH)."""
        now, due = self._due(lambda connection, now: CustomerHistories(connection).due(now, BATCH))
        if not due:
            return 0
        with self._transaction() as connection:
            threads = CustomerHistories(connection)
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
        """Ends at most `BATCH` reservations whose time is over; returns how many. Locks O(BATCH)."""
        now, due = self._due(lambda connection, now: Queues(connection).reservations_over(now, BATCH))
        if not due:
            return 0
        with self._transaction() as connection:
            queues = Queues(connection)
            free = CustomerHistories(connection).lock_free({customer for _, customer in due})
            crash_point("timer.after-lock")
            read = queues.read([c for c, customer in due if customer in free])
            before = [c for c in read if has_expired(c, now)]
            changes = self._changes(connection, before)
            for conversation in before:
                here = expiry_ref(conversation, now)
                cause = Cause((here.fact,), "clock")
                changes.decide(conversation.customer_id, conversation, after_expiry(conversation, here), cause, now)
            changes.write(connection, self._topics.conversations)
            changes.count(connection)
        _EXPIRED.inc(len(before))
        return len(before)

    def _changes(self, connection: Connection[Any], conversations: Sequence[Conversation]) -> UnitOfWork:
        """Of locked customers, each with the one conversation that is active."""
        threads = {c.customer_id: CustomerHistory(c.customer_id, c.phone_number_id, (c,)) for c in conversations}
        return UnitOfWork(threads, self._known.read(connection))
