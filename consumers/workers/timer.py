"""The `timer`: closes conversations at the end of their window and publishes it. It decides nothing: a conversation
*is* closed when its window is over, for every reader; the timer makes that visible (domain.md, *Closed is derived*). It
also ends reservations that nobody was ready for, acceptances without a word to the customer, and waits for a reply, so
that the conversation is on the list again; and transfers on reply that the customer did not answer in time. While a
message to the customer is being sent it leaves acceptances and waits alone.

Any number may run: each takes the customers that nobody else has locked. Its time is the database's, and never later
than the inbound watermark (architecture.md, P6a), so a backlog or a wrong clock closes nothing too early. What waits in
a partition that no consumer has started to read is known to the broker alone; it is asked when something is due.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from threading import Event as Flag
from time import monotonic
from typing import Any

import psycopg
from prometheus_client import Counter, Histogram
from psycopg import Connection

from consumers.batches.poison import PoisonPolicy
from consumers.changes.unit_of_work import UnitOfWork, active_histories
from consumers.changes.wishes import end_what_is_over
from consumers.workers.isolation import Due, Isolation, of_conversation
from consumers.workers.progress.inbound_progress import InboundProgress, UnreadBacklog
from consumers.workers.worker_loop import WorkerLoop
from domain.conversations.conversation import Conversation, Decisions, FactRef
from domain.conversations.events import Cause
from domain.routing.transfers import (
    after_expiry,
    after_no_reply,
    after_overdue,
    expiry_ref,
    has_expired,
    is_overdue,
    is_reply_missing,
    no_reply_ref,
    overdue_ref,
)
from domain.topics import Topics
from domain.wishes.wish import Wish
from infra.postgres import directory, wishes
from infra.postgres.conversations.customers import Customers, Locked
from infra.postgres.conversations.histories import CustomerHistories
from infra.postgres.conversations.queues import Queues
from infra.postgres.messaging.parked import ParkedItems
from infra.process.crash_points import crash_point
from infra.process.readiness import every_reason

BATCH = 1000
"""Conversations of one transaction; it holds their locks for about 0.15 s."""

_IDLE_SECONDS = 0.5

_CLOSED = Counter("witiop_timer_windows_closed", "Conversations closed because their window was over.")
_EXPIRED = Counter("witiop_timer_reservations_expired", "Reservations that ended with nobody ready.")
_UNANSWERED = Counter(
    "witiop_timer_acceptances_unanswered", "Conversations taken from an agent who accepted and did not write in time."
)
_NO_REPLY = Counter(
    "witiop_timer_replies_missing", "Conversations taken from who had answered, because the customer had no reply."
)
_LATE = Histogram(
    "witiop_timer_windows_closed_late_seconds",
    "Time from the end of its window until a conversation was closed.",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)


class Timer:
    """Closes what is over and ends reservations and acceptances, until stopped.

    `transaction`: as for the consumers. `stalled_seconds` and `clock`: as for `StallDetector`. `backlog`: None where
    there is no broker and nothing can wait."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        topics: Topics,
        stalled_seconds: float = 600,
        clock: Callable[[], float] = monotonic,
        backlog: UnreadBacklog | None = None,
        poison: PoisonPolicy | None = None,
    ) -> None:
        self._transaction = transaction
        self._topics = topics
        self._inbound = InboundProgress("timer", topics.inbound, stalled_seconds, clock, backlog)
        self._isolation = Isolation(ParkedItems(transaction, "timer"), of_conversation, poison, clock)
        self._directories = directory.DirectoryCache()
        self._loop = WorkerLoop("timer", self._poll)

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the timer from working, for /readyz; None: nothing."""
        return every_reason(self._loop.not_ready_reason(), self._inbound.held_by, self._isolation.not_ready_reason())

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours."""
        self._loop.run(stop)

    def _poll(self, _: Flag) -> float:
        try:
            done = max(self.end_owners(), self.close_due(), self.end_wishes())
        except psycopg.Error:
            self._inbound.reset()
            raise
        return 0.0 if done >= BATCH else _IDLE_SECONDS

    # what is due

    def _due(self, find: Callable[[Connection[Any], datetime], Sequence[Due]]) -> tuple[datetime, Sequence[Due]]:
        """Returns the inbound watermark and what is due then."""
        with self._transaction() as connection:
            watermark = self._inbound.watermark(connection)
            due = find(connection, watermark)
            started = self._inbound.started(connection) if due else set()
        return watermark, () if due and self._inbound.is_held(started) else due

    # ending it

    def close_due(self) -> int:
        """Closes at most `BATCH` conversations whose window is over; returns how many. O(BATCH) locks."""
        most = self._most()
        now, due = self._due(lambda connection, now: CustomerHistories(connection).due(now, most))
        closed: list[Conversation] = []

        def close(due: Sequence[Due]) -> None:
            with self._transaction() as connection:
                free = self._lock_free(connection, due)
                over = free.of(CustomerHistories(connection).still_due([c for c, _ in due], now))
                with self._unit_of_work(connection, over) as work:
                    for conversation in over:
                        work.expire(conversation.customer_id, now)
            closed.extend(over)

        self._isolation.process(due, close)
        for conversation in closed:
            _LATE.observe((now - conversation.window_ends_at).total_seconds())
        _CLOSED.inc(len(closed))
        return len(closed)

    def end_owners(self) -> int:
        """Ends at most `BATCH` reservations that are over, acceptances without a word in time and waits for a reply;
        returns how many. O(BATCH) locks."""
        most = self._most()
        now, due = self._due(lambda connection, now: Queues(connection).owners_over(now, most))
        expired, unanswered, waited = list[Conversation](), list[Conversation](), list[Conversation]()

        def end(due: Sequence[Due]) -> None:
            with self._transaction() as connection:
                free = self._lock_free(connection, due)
                owned = free.of(Queues(connection).read([c for c, _ in due]))
                written = Queues(connection).with_word_on_its_way([c.id for c in owned], now)
                reserved = [c for c in owned if has_expired(c, now)]
                accepted = [c for c in owned if is_overdue(c, now) and c.id not in written]
                missing = [c for c in owned if is_reply_missing(c, now) and c.id not in written]
                with self._unit_of_work(connection, [*reserved, *accepted, *missing]) as work:
                    for conversation in reserved:
                        ref = expiry_ref(conversation, now)
                        _decide(work, conversation, after_expiry(conversation, ref), ref)
                    for conversation in accepted:
                        ref = overdue_ref(conversation, now)
                        _decide(work, conversation, after_overdue(conversation, ref), ref)
                    for conversation in missing:
                        ref = no_reply_ref(conversation, now)
                        _decide(work, conversation, after_no_reply(conversation, ref), ref)
            expired.extend(reserved)
            unanswered.extend(accepted)
            waited.extend(missing)

        self._isolation.process(due, end)
        _EXPIRED.inc(len(expired))
        _UNANSWERED.inc(len(unanswered))
        _NO_REPLY.inc(len(waited))
        return len(expired) + len(unanswered) + len(waited)

    def end_wishes(self) -> int:
        """Ends at most `BATCH` transfers on reply that are over, or whose template will not go out; returns how many.
        O(BATCH) locks."""
        most = self._most()
        now, due = self._due(lambda connection, now: wishes.over(connection, now, most))
        ended: list[Wish] = []

        def end(due: Sequence[Due]) -> None:
            with self._transaction() as connection:
                free = self._lock_free(connection, due)
                conversations = [c for c, customer in due if customer in free.root_of]
                ended.extend(end_what_is_over(connection, self._topics, conversations, now))

        self._isolation.process(due, end)
        return len(ended)

    def _most(self) -> int:
        """Returns how much to look for: what is parked stays due and is found before the rest."""
        return BATCH + len(self._isolation.parked())

    def _lock_free(self, connection: Connection[Any], due: Sequence[Due]) -> Locked:
        free = Customers(connection).lock_free({customer for _, customer in due})
        crash_point("timer.after-lock")
        return free

    def _unit_of_work(self, connection: Connection[Any], conversations: Sequence[Conversation]) -> UnitOfWork:
        """`conversations`: of locked customers, the one that is active of each."""
        histories, current = active_histories(conversations), self._directories.read(connection)
        return UnitOfWork(connection, self._topics.conversations, histories, current)


def _decide(work: UnitOfWork, conversation: Conversation, decisions: Decisions, ref: FactRef) -> None:
    work.decide(
        conversation.customer_id, conversation, decisions, Cause((ref.fact,), "clock"), ref.at, watermark=ref.at
    )
