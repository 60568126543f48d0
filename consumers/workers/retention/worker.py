"""The worker of the process `retention`: erasures at once, and in the background what is over. It works in small
transactions and rests longer than it works, so that nobody waits for it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from threading import Event as Flag
from time import monotonic
from typing import Any

import psycopg
import structlog
from prometheus_client import Counter, Gauge
from psycopg import Connection

from consumers.workers.retention.erasing import erase_next
from consumers.workers.worker_loop import WorkerLoop
from domain.retention.periods import Retention
from domain.topics import Topics
from infra.postgres import directory
from infra.postgres.connections.clock import database_now
from infra.postgres.retention import campaign_rows, expiry, unattached, walk
from infra.postgres.retention.marks import end_marks
from infra.postgres.retention.months import drop_emptied_month, next_month_step
from infra.process.crash_points import crash_point

BATCH = 100
"""Conversations of one transaction; it holds the locks of their customers for some hundredths of a second."""
_LOOKED_AT = 2000
"""Conversations that one step of a walk compares with their time."""
_MOST = 500
"""Mails, files, facts or entries of the audit logs of one transaction."""
_IDLE_SECONDS = 1.0
_SHARE = 4.0
"""After its work the worker rests this many times as long."""
_WALK_AGAIN = timedelta(hours=1)
_REST_SECONDS = 600.0
"""How often months, marks and what has a time of its own are looked at."""
_MONTHS_AHEAD = 2
TOPICS_KEEP = timedelta(days=30 + 7)
"""How long a topic may bring back what was erased: its retention, and what Meta repeats."""

_TOPICS = Topics()

_REMOVED = Counter("witiop_retention_removed", "Rows that were removed because their time was over.", ["table"])
_WALKED = Gauge("witiop_retention_walk_seconds", "How long the last walk through all conversations took.")

log = structlog.get_logger("retention")


class RetentionWorker:
    """Works until stopped. `transaction`: as for the consumers; `delete_files`: deletes files that nothing needs any
    more from the store, and returns whether there may be more; `trim`: deletes from topics what was copied from them;
    `topics`: as for the consumers; `clock`: seconds that only increase."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        delete_files: Callable[[Connection[Any]], bool] | None = None,
        trim: Callable[[Connection[Any]], None] | None = None,
        topics: Topics = _TOPICS,
        clock: Callable[[], float] = monotonic,
        walk_again: timedelta = _WALK_AGAIN,
    ) -> None:
        self._transaction = transaction
        self._delete_files = delete_files
        self._trim = trim
        self._topics = topics
        self._clock = clock
        self._walk_again = walk_again
        self._next_block = 0
        self._rest_at = float("-inf")
        self._directories = directory.DirectoryCache()
        self._loop = WorkerLoop("retention", lambda _: self._poll())

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the worker from working, for /readyz; None: nothing."""
        return self._loop.not_ready_reason()

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours."""
        self._loop.run(stop)

    def _poll(self) -> float:
        began = self._clock()
        if self.erase():
            return 0.0
        has_more = self.delete_files()
        has_more = self.walk() or has_more
        if began >= self._rest_at:
            has_more = self.remove_old() or has_more
            if not has_more:
                self.remove_old_statuses()
                self.keep_months()
                self.end_marks()
                self.trim_topics()
                self._rest_at = self._clock() + _REST_SECONDS
        took = self._clock() - began
        return _SHARE * took if has_more else max(_SHARE * took, _IDLE_SECONDS)

    def erase(self) -> bool:
        """Does the next step of an erasure; returns whether there was one."""
        with self._transaction() as connection:
            return erase_next(connection, self._topics)

    def walk(self) -> bool:
        """Looks at the next conversations, the oldest first, and removes what is over; returns whether more follow."""
        with self._transaction() as connection:
            kept = self._kept(connection)
            if all(of.texts is None for of in kept.values()):
                return False
            at = walk.lock(connection)
            now = database_now(connection)
            if at is None or not at.is_due(now, self._walk_again):
                return False
            step = expiry.next_expired(connection, at.after, now, kept, _LOOKED_AT)
            found = sorted([*step.expired.whole, *step.expired.written])[:BATCH]
            due = step.expired.up_to(found[-1]) if found else step.expired
            has_all = len(found) < BATCH
            removed = expiry.remove_expired(connection, due, now) if found else {}
            if has_all and step.to is None:
                walk.end(connection)
                _WALKED.set((now - at.began(now)).total_seconds())
            else:
                walk.write(connection, at, step.to if has_all and step.to is not None else found[-1])
            crash_point("retention.before-commit")
        _count(removed)
        return not (has_all and step.to is None)

    def remove_old(self) -> bool:
        """Removes some of what is over: facts, messages and updates without a conversation, files, mails, dead letters,
        what rows of campaigns say, and entries of audit logs; returns whether there may be more."""
        has_more = False
        for table, remove in (
            ("entries", expiry.remove_old_facts),
            ("media", expiry.remove_old_files),
            ("mails", expiry.remove_old_mails),
            ("audit", expiry.remove_old_audit),
            ("sends", unattached.remove_old_sends),
            ("recipients", campaign_rows.remove_old_rows),
            ("notices", unattached.remove_old_notices),
            ("set_aside", unattached.remove_old_dead_letters),
        ):
            with self._transaction() as connection:
                n = remove(connection, database_now(connection), self._kept(connection), _MOST)
            _count({table: n} if n else {})
            has_more = has_more or n >= _MOST
        return has_more

    def remove_old_statuses(self) -> None:
        """Removes old statuses of unknown messages from a part of their table; the next call goes on behind it."""
        with self._transaction() as connection:
            now, kept = database_now(connection), self._kept(connection)
            n, self._next_block = unattached.remove_old_statuses(connection, now, kept, self._next_block)
        _count({"message_status": n} if n else {})

    def delete_files(self) -> bool:
        """Deletes some files from the store; returns whether there may be more."""
        if self._delete_files is None:
            return False
        with self._transaction() as connection:
            return self._delete_files(connection)

    def keep_months(self) -> None:
        """Makes the months that are missing, and drops those that are empty and over. Where others use a table for too
        long, the next round tries again."""
        for parent in ("entries", "history"):
            try:
                while self._step(partial(next_month_step, parent=parent, ahead=_MONTHS_AHEAD)):
                    pass
                while self._step(partial(drop_emptied_month, parent=parent)):
                    pass
            except psycopg.errors.LockNotAvailable:
                log.info("retention.months_wait", table=parent)

    def _step(self, do: Callable[[Connection[Any]], str | None]) -> bool:
        with self._transaction() as connection:
            done = do(connection)
        if done is not None:
            log.info("retention.month", step=done)
        return done is not None

    def end_marks(self) -> None:
        """Ends the marks of erasures that no topic can bring anything back of."""
        with self._transaction() as connection:
            end_marks(connection, database_now(connection) - TOPICS_KEEP)

    def trim_topics(self) -> None:
        """Deletes from topics what was copied from them and is old enough."""
        if self._trim is not None:
            with self._transaction() as connection:
                self._trim(connection)

    def _kept(self, connection: Connection[Any]) -> Mapping[str, Retention]:
        return {id_: number.retention for id_, number in self._directories.read(connection).numbers.items()}


def _count(removed: Mapping[str, int]) -> None:
    for table, n in removed.items():
        _REMOVED.labels(table).inc(n)
