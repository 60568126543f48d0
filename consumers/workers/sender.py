"""The `sender` process: posts what is due to Meta, each send at most once (docs/design/sending.md).

Any number may run. As for mails: a claim is committed, one attempt is made, its outcome is committed; what may have
been sent is never sent again by itself. Unlike mails, up to `in_flight` posts are under way at the same time: they are
claimed together and recorded together, so the database commits some times a second, not once per message.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Event as Flag
from time import monotonic
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge
from psycopg import Connection

from consumers.changes.sends import SendChanges
from consumers.workers.worker_loop import WorkerLoop
from domain.sending.callback import Callback
from domain.sending.sends import (
    Graph,
    NotSent,
    PostAccepted,
    PostOutcome,
    Refused,
    Send,
    Unanswered,
    after_post,
    is_over,
    letter,
)
from domain.topics import Topics
from infra.postgres.connections.clock import database_now
from infra.postgres.sending import claims, sends
from infra.postgres.sending.sends import SendLogEntry
from infra.process.backoff import Backoff
from infra.process.crash_points import crash_point
from infra.process.readiness import every_reason

_POSTS = Counter("witiop_sender_posts", "Posts to Meta, by outcome.", ["outcome"])
_ABANDONED = Counter("witiop_sender_abandoned", "Sends whose sender ended during its post.")
_IN_FLIGHT = Gauge("witiop_sender_in_flight", "Posts to Meta that are under way.")

POST_WITHIN_SECONDS = 5.0
"""After its claim: a post that begins later may find that its send is *unknown* already."""
_RECORD_SECONDS = 0.05
"""Outcomes are recorded together, at most so long after the first of them."""
_SETTLE_SECONDS = 5.0
_IDLE_SECONDS = 1.0

log = structlog.get_logger("sender")


class Wakeups(Protocol):
    """Says that something may be due."""

    def wait(self, seconds: float) -> bool: ...


class _Posted(NamedTuple):
    """A post and how it ended. `milliseconds`: how long it took; None: it did not begin."""

    send: Send
    outcome: PostOutcome
    milliseconds: int | None


class MessageSender:
    """Posts until stopped. `transaction`: as for the consumers; `in_flight`: posts at the same time, and so the most
    that can be *unknown* after a crash; `wakeups`: hints of new sends; `abandoned_seconds`: more than that and the
    longest post together."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        graph: Graph,
        topics: Topics,
        in_flight: int,
        wakeups: Wakeups,
        post_within_seconds: float = POST_WITHIN_SECONDS,
        abandoned_seconds: float = sends.ABANDONED_SECONDS,
    ) -> None:
        self._transaction = transaction
        self._graph = graph
        self._topics = topics
        self._in_flight = in_flight
        self._wakeups = wakeups
        self._post_within_seconds = post_within_seconds
        self._abandoned_seconds = abandoned_seconds
        self._threads = ThreadPoolExecutor(in_flight, "post")
        self._posting: dict[UUID, Future[None]] = {}
        self._ended: SimpleQueue[_Posted] = SimpleQueue()
        self._unrecorded: list[_Posted] = []
        self._settle_at = 0.0
        self._unreachable = Backoff(1.0, 60.0)
        self._meta_not_ready: str | None = None
        self._loop = WorkerLoop("sender", lambda _: self.poll())

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the process from working, for /readyz; None: nothing."""
        return every_reason(self._loop.not_ready_reason(), self._meta_not_ready)

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set and every post that began has been recorded; claimed sends whose post did not
        begin wait again. Raises whatever is a defect of ours."""
        self._loop.run(stop)
        self._end()

    def poll(self) -> float:
        """Records what ended and claims what is due; returns the seconds until the next poll. Raises psycopg errors;
        outcomes that were not recorded then are recorded by a later poll."""
        if monotonic() >= self._settle_at:
            self._settle_abandoned()
            self._settle_at = monotonic() + _SETTLE_SECONDS
        self._record()
        claimed = self._claim()
        self._loop.reached()
        if claimed or self._posting:
            self._await_outcome(_RECORD_SECONDS)
        else:
            self._wakeups.wait(_IDLE_SECONDS)
        return 0.0

    # claiming

    def _claim(self) -> int:
        """Claims what may be posted now and begins to post it; returns how much that was."""
        free = self._in_flight - len(self._posting) - len(self._unrecorded)
        if free <= 0:
            return 0
        with self._transaction() as connection:
            numbers = claims.numbers_with_due(connection)
        began = 0
        for number in numbers:
            if free - began <= 0:
                break
            began += self._claim_of(number, free - began)
        return began

    def _claim_of(self, number: str, most: int) -> int:
        with self._transaction() as connection:
            lane = claims.lock_lane(connection, number)
            if lane is None or (lane.paused_until is not None and lane.now < lane.paused_until):
                return 0
            bucket = lane.bucket.refilled(lane.now)
            templates = lane.templates_paused_until is None or lane.now >= lane.templates_paused_until
            claimed_at = monotonic()
            found = claims.claim(connection, number, min(most, int(bucket.tokens)), templates)
            over = {c.send.id: why for c in found if (why := is_over(c.send, lane.now, c.window_ends_at)) is not None}
            self._expire(connection, over, lane.now)
            ours = [c.send for c in found if c.send.id not in over]
            claims.keep_bucket(connection, number, bucket.taken(len(ours)))
        crash_point("sender.after-claim")
        for send in ours:
            self._posting[send.id] = self._threads.submit(self._post, send, claimed_at)
        _IN_FLIGHT.set(len(self._posting))
        return len(ours)

    def _expire(self, connection: Connection[Any], over: Mapping[UUID, str], now: datetime) -> None:
        """Ends sends that waited until Meta would refuse them, or longer than they were to be sent."""
        if not over:
            return
        changes = SendChanges(connection, self._topics, over)
        for id_, why in over.items():
            send = changes.sends[id_]
            changes.change(
                replace(send, state="expired", reason=why),
                SendLogEntry(now, send.attempt, "expired", "sender", None, why),
            )
        changes.write()

    # posting

    def _post(self, send: Send, claimed_at: float) -> None:
        """Makes the one attempt, in a thread of its own."""
        if monotonic() - claimed_at > self._post_within_seconds:
            self._ended.put(_Posted(send, NotSent("too late after its claim", "message", timedelta()), None))
            return
        began = monotonic()
        callback = Callback(send.id, send.attempt, send.secret).text()
        try:
            outcome = self._graph.post(send.phone_number_id, letter(send, callback))
        except Exception:  # a defect of ours, after the request may have been written
            log.error("send.defect", send_id=str(send.id), exc_info=True)
            outcome = Unanswered("a defect of the sender")
        crash_point("sender.after-post-before-mark")
        self._ended.put(_Posted(send, outcome, round((monotonic() - began) * 1000)))

    def _await_outcome(self, seconds: float) -> None:
        """Waits for the next outcome, `seconds` at most."""
        try:
            self._unrecorded.append(self._ended.get(timeout=seconds))
        except Empty:
            return

    # recording

    def _record(self) -> None:
        """Commits the outcomes of posts that ended."""
        while True:
            try:
                self._unrecorded.append(self._ended.get_nowait())
            except Empty:
                break
        if not self._unrecorded:
            return
        self._commit(self._unrecorded)
        crash_point("sender.mid-batch")
        for posted in self._unrecorded:
            self._posting.pop(posted.send.id, None)
            _POSTS.labels(_WORDS[type(posted.outcome)]).inc()
            log.info(
                "send.posted",
                send_id=str(posted.send.id),
                outcome=_WORDS[type(posted.outcome)],
                reason=_reason(posted.outcome),
            )
        self._note_reachability(self._unrecorded)
        self._unrecorded = []
        _IN_FLIGHT.set(len(self._posting))

    def _commit(self, ended: Sequence[_Posted]) -> None:
        with self._transaction() as connection:
            now = database_now(connection)
            self._change_lanes(connection, ended, now)
            changes = SendChanges(connection, self._topics, {posted.send.id for posted in ended})
            for send, outcome, milliseconds in ended:
                before = changes.sends.get(send.id)
                if before is None:
                    continue
                after = after_post(before, outcome, send.attempt)
                code = outcome.code if isinstance(outcome, NotSent | Refused) else None
                entry = SendLogEntry(
                    now, send.attempt, _WORDS[type(outcome)], "sender", code, _reason(outcome), milliseconds
                )
                wait = outcome.wait if isinstance(outcome, NotSent) and outcome.scope == "recipient" else timedelta()
                changes.change(after, entry, now + wait if after.state == "queued" else None)
            changes.write()

    def _change_lanes(self, connection: Connection[Any], ended: Sequence[_Posted], now: datetime) -> None:
        """Slows down, pauses or resumes the numbers that outcomes are about, in the order of their ids."""
        by_number: dict[str, list[PostOutcome]] = {}
        for posted in ended:
            by_number.setdefault(posted.send.phone_number_id, []).append(posted.outcome)
        for number, outcomes in sorted(by_number.items()):
            waits = [o for o in outcomes if isinstance(o, NotSent) and o.scope in ("number", "templates")]
            if not waits:
                if any(isinstance(o, PostAccepted) for o in outcomes):
                    claims.resume(connection, number)
                continue
            lane = claims.wait_for_lane(connection, number)
            if any(o.scope == "number" and not o.needs_person and o.code is not None for o in waits):
                claims.keep_bucket(connection, number, lane.bucket.refilled(now).slowed())
            for outcome in waits:
                wait = outcome.wait if outcome.code is not None else timedelta(seconds=self._unreachable.next())
                claims.pause(
                    connection,
                    number,
                    now + wait,
                    outcome.reason,
                    templates=outcome.scope == "templates",
                    needs_person=outcome.needs_person,
                )

    def _note_reachability(self, ended: Sequence[_Posted]) -> None:
        if any(isinstance(posted.outcome, PostAccepted | Refused) for posted in ended):
            self._unreachable.reset()
            self._meta_not_ready = None
            return
        for posted in ended:
            outcome = posted.outcome
            if (
                isinstance(outcome, NotSent)
                and (outcome.needs_person or outcome.code is None)
                and posted.milliseconds is not None
            ):
                self._meta_not_ready = f"Meta accepts no message ({outcome.reason})"

    def _settle_abandoned(self) -> None:
        """Makes sends *unknown* whose sender ended during its post."""
        with self._transaction() as connection:
            found = set(sends.abandoned(connection, self._abandoned_seconds)) - self._posting.keys()
            if not found:
                return
            now = database_now(connection)
            changes = SendChanges(connection, self._topics, found)
            reason = "the sender ended while it posted"
            still = set(sends.abandoned(connection, self._abandoned_seconds))
            for id_ in sorted(found & still & changes.sends.keys()):
                send = changes.sends[id_]
                entry = SendLogEntry(now, send.attempt, "unanswered", "sender", None, reason)
                changes.change(after_post(send, Unanswered(reason), send.attempt), entry)
                _ABANDONED.inc()
                log.warning("send.abandoned", send_id=str(id_))
            changes.write()

    def _end(self) -> None:
        """Gives back what did not begin, waits for what did, and records both."""
        given_back = [id_ for id_, future in self._posting.items() if future.cancel()]
        self._threads.shutdown(wait=True)
        self._record()
        if given_back:
            with self._transaction() as connection:
                changes = SendChanges(connection, self._topics, given_back)
                now = database_now(connection)
                outcome = NotSent("the sender was stopped", "message", timedelta())
                for send in changes.sends.values():
                    entry = SendLogEntry(now, send.attempt, "not_sent", "sender", None, outcome.reason)
                    changes.change(after_post(send, outcome, send.attempt), entry, now)
                changes.write()


_WORDS: dict[type[PostOutcome], str] = {
    PostAccepted: "accepted",
    NotSent: "not_sent",
    Refused: "refused",
    Unanswered: "unanswered",
}
"""How a post ended, in the send's own log."""


def _reason(outcome: PostOutcome) -> str | None:
    return None if isinstance(outcome, PostAccepted) else outcome.reason
