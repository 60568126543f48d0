"""The `sender` process: posts what is due to Meta, each send at most once (docs/design/sending.md).

Any number may run. As for mails: a claim is committed, one attempt is made, its outcome is committed; what may have
been sent is never sent again by itself. Unlike mails, up to `in_flight` posts are under way at the same time: they are
claimed together and recorded together, so the database commits some times a second, not once per message.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Event as Flag
from time import monotonic
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import structlog
from prometheus_client import Counter
from psycopg import Connection

from consumers.changes.lanes import change_lanes
from consumers.changes.sends import SendChanges
from consumers.workers.posts import POST_WITHIN_SECONDS, Posted, Posts
from consumers.workers.unsettled import repeat_unknown, settle_abandoned, settle_dropped
from consumers.workers.worker_loop import WorkerLoop
from domain.sending.acceptance import SendingPolicy
from domain.sending.graph_errors import pair_wait
from domain.sending.sends import (
    EXPIRED,
    NOT_ALLOWED,
    OPTED_OUT,
    Graph,
    NotSent,
    PostAccepted,
    PostOutcome,
    Refused,
    Unanswered,
    after_post,
    after_status,
    is_over,
)
from domain.sending.unknown import ResendPolicy
from domain.topics import Topics
from infra.postgres.campaigns.eligibility import skipped_now
from infra.postgres.connections.clock import database_now
from infra.postgres.connections.hints import SYNC
from infra.postgres.opt_outs.in_force import unwanted
from infra.postgres.sending import claims, sends
from infra.postgres.sending.people import ReachedPeople
from infra.postgres.sending.recipients import take_receipts
from infra.postgres.sending.sends import SendLogEntry
from infra.postgres.sending.unknown import known_statuses
from infra.process.backoff import Backoff
from infra.process.crash_points import crash_point
from infra.process.metrics import count_from_zero
from infra.process.readiness import every_reason

_POSTS = Counter("witiop_sender_posts", "Posts to Meta, by outcome.", ["outcome"])

_RECORD_SECONDS = 0.05
"""How long the next outcome is waited for at most before something new is claimed."""
_SETTLE_SECONDS = 5.0
_IDLE_SECONDS = 1.0
_RECEIPT_SECONDS = 10.0
"""A customer is not shown later that somebody read or is writing: it would not be true any more."""

log = structlog.get_logger("sender")


class Wakeups(Protocol):
    """Says that something may be due."""

    def wait(self, seconds: float) -> bool: ...


class SenderTerms(NamedTuple):
    """How a sender works. `in_flight`: posts at the same time, and so the most that can be *unknown* after a crash;
    `policy`: to whom anything is sent; `resend`: what is sent again without a person; `abandoned_seconds`: more than
    `post_within_seconds` and the longest post together."""

    in_flight: int = 16
    policy: SendingPolicy = SendingPolicy(enabled=True)
    resend: ResendPolicy = "never"
    post_within_seconds: float = POST_WITHIN_SECONDS
    abandoned_seconds: float = sends.ABANDONED_SECONDS


DEFAULT_TERMS = SenderTerms()


class MessageSender:
    """Posts until stopped. `transaction`: as for the consumers; `wakeups`: hints of new sends."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        graph: Graph,
        topics: Topics,
        wakeups: Wakeups,
        terms: SenderTerms = DEFAULT_TERMS,
    ) -> None:
        self._transaction = transaction
        self._topics = topics
        self._wakeups = wakeups
        self._terms = terms
        self._posts = Posts(graph, terms.in_flight, terms.post_within_seconds)
        self._unrecorded: list[Posted] = []
        self._people = ReachedPeople()
        self._settle_at = 0.0
        self._last_number = ""
        self._next_claim_seconds = _IDLE_SECONDS
        self._unreachable = Backoff(1.0, 60.0)
        self._meta_not_ready: str | None = None
        self._loop = WorkerLoop("sender", lambda _: self.poll())

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the process from working, for /readyz; None: nothing."""
        return every_reason(self._loop.not_ready_reason(), self._meta_not_ready)

    @property
    def is_idle(self) -> bool:
        """Whether no post is under way or waits to be recorded."""
        return not self._posts.under_way

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set and every post that began has been recorded; claimed sends whose post did not
        begin wait again. Raises whatever is a defect of ours."""
        self._loop.run(stop)
        self.end()

    def poll(self) -> float:
        """Records what ended and claims what is due; returns the seconds until the next poll. Raises psycopg errors;
        outcomes that were not recorded then are recorded by a later poll."""
        if monotonic() >= self._settle_at:
            self._settle()
            self._settle_at = monotonic() + _SETTLE_SECONDS
        self._record()
        claimed = self._claim()
        self._show_receipts()
        self._loop.reached()
        if claimed or not self.is_idle:
            self._unrecorded += self._posts.ended(_RECORD_SECONDS)
        else:
            self._wakeups.wait(self._next_claim_seconds)
        return 0.0

    # claiming

    def _claim(self) -> int:
        """Claims what may be posted now and begins to post it; returns how much that was."""
        self._next_claim_seconds = _IDLE_SECONDS
        free = self._posts.free
        if free <= 0:
            return 0
        with self._transaction() as connection:
            due = claims.numbers_with_due(connection)
        began = 0
        for number, campaigns in self._turns(due):
            if free - began <= 0:
                break
            claimed = self._claim_of(number, free - began, campaigns=campaigns)
            began += claimed
            if claimed and campaigns:
                self._last_number = number
        return began

    def _turns(self, due: Sequence[claims.DueNumber]) -> list[tuple[str, bool]]:
        """Returns the numbers in the order in which they claim, and whether campaigns may: first all that is not of
        campaigns, then each number in its turn. A large campaign takes all posts that are free, again and again."""
        first = [each.number for each in due if each.not_campaigns] if len(due) > 1 else []
        numbers = sorted((each.number for each in due), key=lambda number: (number <= self._last_number, number))
        return [*((number, False) for number in first), *((number, True) for number in numbers)]

    def _claim_of(self, number: str, most: int, *, campaigns: bool) -> int:
        with self._transaction() as connection:
            lane = claims.lock_lane(connection, number)
            if lane is None or lane.is_paused or (lane.is_on_trial and self._posts.is_posting_from(number)):
                return 0
            bucket = lane.bucket.refilled(lane.now)
            self._next_claim_seconds = min(self._next_claim_seconds, bucket.next_seconds or _IDLE_SECONDS)
            if (most := min(most, lane._replace(bucket=bucket).most)) <= 0:
                return 0
            claimed_at = monotonic()
            people = self._people.left(connection, lane.people_per_day)
            for_campaigns = bucket.for_campaigns if campaigns else 0
            limits = claims.ClaimLimits(most, for_campaigns, lane.takes_templates, people)
            found = claims.claim(connection, number, limits)
            skipped = dict.fromkeys(unwanted(connection, [c.send for c in found]), OPTED_OUT)
            skipped = skipped_now(connection, [c.send for c in found]) | skipped
            over = {
                c.send.id: why
                for c in found
                if (why := skipped.get(c.send.id) or self._why_over(c, lane.now)) is not None
            }
            self._expire(connection, over, lane.now)
            ours = [c for c in found if c.send.id not in over]
            claims.keep_bucket(connection, number, bucket.taken(len(ours)))
        crash_point("sender.after-claim")
        self._people.add(sum(each.reaches_person for each in ours))
        for each in ours:
            self._posts.begin(each.send, each.media_id, claimed_at)
        return len(ours)

    def _why_over(self, claimed: claims.Claimed, now: datetime) -> str | None:
        """Returns why a send must not be posted any more; None: it may."""
        if not self._terms.policy.allows(claimed.send.address_kind, claimed.send.address):
            return NOT_ALLOWED
        if claimed.send.upload_id is not None and claimed.media_id is None:
            return EXPIRED  # claimed without its file only because its time is over
        return is_over(claimed.send, now, claimed.window_ends_at)

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

    def _show_receipts(self) -> None:
        """Shows customers that their messages were read and that somebody is writing, as far as there is time for it:
        what is lost is not repeated."""
        if (most := self._posts.free_receipts) <= 0:
            return
        with self._transaction() as connection:
            asked = take_receipts(connection, most, _RECEIPT_SECONDS)
        for receipt in asked:
            self._posts.show(receipt)

    # recording

    def _record(self) -> None:
        """Commits the outcomes of posts that ended."""
        self._unrecorded += self._posts.ended()
        if not self._unrecorded:
            return
        self._commit(self._unrecorded)
        crash_point("sender.mid-batch")
        for posted in self._unrecorded:
            self._posts.forget(posted)
            _POSTS.labels(_WORDS[type(posted.outcome)]).inc()
            log.info(
                "send.posted",
                send_id=str(posted.send.id),
                outcome=_WORDS[type(posted.outcome)],
                reason=_reason(posted.outcome),
            )
        self._note_reachability(self._unrecorded)
        self._unrecorded = []

    def _commit(self, ended: Sequence[Posted]) -> None:
        with self._transaction() as connection:
            now = database_now(connection)
            outcomes = [(posted.send.phone_number_id, posted.outcome) for posted in ended]
            change_lanes(connection, outcomes, now, self._unreachable.next)
            if any(isinstance(outcome, Refused) and outcome.scope == "template" for _, outcome in outcomes):
                connection.execute(f"notify {SYNC}")  # what we know of the template is out of date
            messages = {(number, o.wamid) for number, o in outcomes if isinstance(o, PostAccepted)}
            changes = SendChanges(connection, self._topics, {posted.send.id for posted in ended})
            reported = known_statuses(connection, messages)
            for send, outcome, milliseconds in ended:
                before = changes.sends.get(send.id)
                if before is None:
                    continue
                after = after_post(before, outcome, send.attempt)
                code = outcome.code if isinstance(outcome, NotSent | Refused) else None
                entry = SendLogEntry(
                    now, send.attempt, _WORDS[type(outcome)], "sender", code, _reason(outcome), milliseconds
                )
                wait = pair_wait(after.pair_refusals) if after.pair_refusals > before.pair_refusals else timedelta()
                held = isinstance(outcome, PostAccepted) and outcome.held
                changes.change(after, entry, now + wait if after.state == "queued" else None, held=held)
                for report in reported.get((after.phone_number_id, after.wamid or ""), []):
                    entry = SendLogEntry(now, send.attempt, report.status, "meta", report.code)
                    changes.change(after_status(changes.sends[send.id], report), entry)
            changes.write()

    def _note_reachability(self, ended: Sequence[Posted]) -> None:
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

    def _settle(self) -> None:
        terms = self._terms
        with self._transaction() as connection:
            settle_abandoned(connection, self._topics, terms.abandoned_seconds, self._posts.under_way)
        with self._transaction() as connection:
            repeat_unknown(connection, self._topics, terms.resend)
        with self._transaction() as connection:
            settle_dropped(connection, self._topics)

    def end(self) -> None:
        """Gives back what did not begin, waits for what did, and records both."""
        given_back = self._posts.end()
        self._record()
        if given_back:
            with self._transaction() as connection:
                changes = SendChanges(connection, self._topics, given_back)
                now = database_now(connection)
                outcome = NotSent("the sender was stopped", "message", timedelta())
                for send in list(changes.sends.values()):
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
count_from_zero(_POSTS, _WORDS.values())


def _reason(outcome: PostOutcome) -> str | None:
    return None if isinstance(outcome, PostAccepted) else outcome.reason
