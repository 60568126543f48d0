"""Fills the words by which a search finds any message of a conversation, behind the fold.

Three things lead to a conversation: it is active and has changed; its customer edited or deleted a message; or a walk
through all conversations, the latest first, came to it. The first walk fills what was there before. Later ones find
what the other two cannot: facts that came late to a closed conversation, conversations that opened and closed while
nobody looked, and those that no list searches any more. Late facts belong to conversations of the last days mostly, so
those are walked through every few minutes.

One process works, by a lock; others stand by. What was read is written with the position in one
transaction, so a process that dies leaves nothing behind. The work takes a part of the time only (`_SHARE`,
`_IDLE_SHARE`).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from threading import Event as Flag
from time import monotonic
from typing import Any
from uuid import UUID

from prometheus_client import Counter, Gauge
from psycopg import Connection

from consumers.workers.worker_loop import WorkerLoop
from domain.ids import first_conversation_id
from infra.postgres.connections.clock import database_now
from infra.postgres.words import filling, progress
from infra.process.crash_points import crash_point

BATCH = 200
"""Conversations of one transaction."""
_CHANGED_MESSAGES = 50
_WALKED = 1000
"""Conversations that one step of a walk compares."""
_IDLE_SECONDS = 2.0
_SHARE, _IDLE_SHARE = 3.0, 9.0
"""After its work the process pauses this many times as long; likewise after a look that found nothing more."""
_WALK_AGAIN = timedelta(hours=6)
"""So long after a walk began, the next one does."""
_WALK_SECONDS = 1.0
"""From one step of a later walk to the next."""
_NOTE_SECONDS = 20.0
"""How often it is noted that nothing changed: pages keep what they read until the database changes."""
_RECENT = timedelta(days=7)
"""Conversations that were opened within this time are walked through more often."""
_RECENT_SECONDS = 300.0
"""From the end of one walk through recent conversations to the next."""

_READ = Counter("witiop_words_read", "Conversations whose words were read.", ["because"])
_WALKING = Gauge("witiop_words_first_walk", "1 while the words of conversations from before are still being read.")


class MessageWords:
    """Fills words until stopped. `transaction`: as for the consumers, READ COMMITTED; `clock`: seconds that only
    increase."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        clock: Callable[[], float] = monotonic,
        walk_again: timedelta = _WALK_AGAIN,
    ) -> None:
        self._transaction = transaction
        self._clock = clock
        self._walk_again = walk_again
        self._note_at = self._walk_at = self._recent_at = float("-inf")
        self._recent_to: UUID | None = None
        self._loop = WorkerLoop("words", lambda _: self._poll())

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the worker from working, for /readyz; None: nothing."""
        return self._loop.not_ready_reason()

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours."""
        self._loop.run(stop)

    def _poll(self) -> float:
        began = self._clock()
        has_more = self.follow() or self.walk_recent() or self.walk()
        took = self._clock() - began
        return _SHARE * took if has_more else max(_IDLE_SHARE * took, _IDLE_SECONDS)

    def follow(self) -> bool:
        """Reads at most `BATCH` conversations that changed; returns whether there may be more. O(active conversations
        on the list)."""
        with self._transaction() as connection:
            if not progress.lock(connection):
                return False
            edited = filling.take_changed_messages(connection, _CHANGED_MESSAGES)
            filling.refresh(connection, edited)
            found = filling.changed(connection, BATCH)
            filling.refresh(connection, found)
            has_more = len(found) == BATCH or len(edited) == _CHANGED_MESSAGES
            at = self._clock()
            if not has_more and (found or edited or at >= self._note_at):
                progress.write_searched(connection)
                self._note_at = at + _NOTE_SECONDS
            crash_point("words.before-commit")
        _READ.labels("edited").inc(len(edited))
        _READ.labels("active").inc(len(found))
        return has_more

    def walk_recent(self) -> bool:
        """Does the next step through the conversations of the last days; returns whether another one should follow."""
        if self._clock() < self._recent_at:
            return False
        with self._transaction() as connection:
            if not progress.lock(connection):
                return False
            end = first_conversation_id(database_now(connection) - _RECENT)
            self._recent_to = self._compare(connection, self._recent_to, "recent")
        if self._recent_to is None or self._recent_to < end:
            self._recent_to = None
            self._recent_at = self._clock() + _RECENT_SECONDS
        return self._recent_to is not None

    def walk(self) -> bool:
        """Does the next step through all conversations, if one is due; returns whether another one should follow at
        once."""
        if self._clock() < self._walk_at:
            return False
        with self._transaction() as connection:
            if not progress.lock(connection):
                return False
            walk = progress.walk_of(connection)
            if walk.began_at is None:
                if walk.ended_with is not None and database_now(connection) < walk.ended_with + self._walk_again:
                    return False
                progress.begin_walk(connection)
            low = self._compare(connection, walk.compared_to, "walk")
            progress.write_walked(connection, low)
            crash_point("words.before-commit")
        is_first = walk.ended_with is None
        _WALKING.set(is_first and low is not None)
        if not is_first:
            self._walk_at = self._clock() + _WALK_SECONDS
        return is_first and low is not None

    def _compare(self, connection: Connection[Any], high: UUID | None, because: str) -> UUID | None:
        """Compares the next conversations below `high` with what was read of them; returns where the next step begins.
        None: there are no more."""
        low = filling.lower_end(connection, high, _WALKED)
        found = filling.changed_between(connection, low, high)
        filling.refresh(connection, found)
        _READ.labels(because).inc(len(found))
        return low
