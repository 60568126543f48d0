"""The `routing` process: brings conversations that wait and agents who are available together (domain.md, *Presence and
routing*). Its promise: no conversation has two owners, no agent is given more than their maximum, and none that waits
and none who is available wait for each other longer than five seconds.

Any number may run. A round is one transaction: the customers of what waits, as far as their locks are free, then the
users; everything is read again under the locks.

What nobody accepted in time, and a desk that was silent for too long, are judged by the moment up to which the inbound
topic is worked in, as the timer judges windows (architecture.md, P6a): an acceptance may wait there. What was declined
goes back at once.
"""

from bisect import insort
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from threading import Event as Flag
from typing import Any

import psycopg
from prometheus_client import Counter
from psycopg import Connection

from consumers.changes.conversations import UnitOfWork
from consumers.workers.stall_detector import StallDetector
from consumers.workers.worker_loop import WorkerLoop
from domain.conversations.conversation import Conversation, Decisions, FactRef, Owner
from domain.conversations.fold import Cause, CustomerHistory
from domain.directory import Directory
from domain.ids import fact_id
from domain.routing.agents import Member, precedence
from domain.routing.transfers import RoutingPolicy, after_missed_offer, is_eligible, offer
from domain.topics import Topics
from infra.postgres import directory
from infra.postgres.conversations.agents import Agents
from infra.postgres.conversations.queues import SOON, Queues
from infra.postgres.conversations.threads import CustomerHistories
from infra.postgres.messaging.offsets import inbound_watermark
from infra.process.crash_points import crash_point
from infra.process.memory import collect_rarely

BATCH = 1000
"""Conversations of one round: a quarter of a second's work."""

_REST_SECONDS = 0.5

_OFFERED = Counter("witiop_routing_offered", "Conversations offered to an agent.")
_TAKEN_BACK = Counter("witiop_routing_taken_back", "Offers and reservations that ended with nobody accepting.")


class Routing:
    """Routes until stopped. `transaction` as for the consumers; `batch`: conversations of one round; `patience`: with
    consumers of the inbound topic that do not move."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        topics: Topics,
        terms: RoutingPolicy,
        batch: int = BATCH,
        patience: StallDetector | None = None,
    ) -> None:
        self._batch = batch
        self._transaction = transaction
        self._topics = topics
        self._terms = terms
        self._known = directory.DirectoryCache()
        self._directory = Directory()
        self._patience = patience or StallDetector()
        self._rounds = WorkerLoop("routing", self._round)

    def not_ready_reason(self) -> str | None:
        """What keeps it from working, for /readyz; None: nothing."""
        return self._rounds.not_ready_reason()

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises what is our own defect."""
        collect_rarely()
        self._rounds.run(stop)

    def _round(self, _: Flag) -> float:
        try:
            return 0.0 if self.round() else _REST_SECONDS
        except psycopg.Error:
            self._patience.reset()
            raise

    def round(self) -> int:
        """Takes back what nobody accepted, then offers what waits; returns how many conversations moved."""
        with self._transaction() as connection:
            self._directory = self._known.lock_shared(connection)
            queues, people = Queues(connection), Agents(connection)
            now = queues.now()
            there = people.ready().values()
            ready = [m for m in there if m.is_available(now, self._terms.silent)]
            above = [m.id for m in there if m.is_over_capacity]
            watermark = min(now, inbound_watermark(connection, self._topics.inbound, self._patience.stalled()))
            ended = queues.ended(now, watermark, self._terms.silent, above, self._batch)
            waiting = queues.waiting(ready, now, self._batch)
            found = list(dict.fromkeys((*ended, *waiting)))
            if not found:
                return 0
            free = CustomerHistories(connection).lock_free({customer for _, customer in found})
            crash_point("routing.after-lock")
            conversations = queues.read([c for c, customer in found if customer in free])
            members = people.lock({m.id for m in ready} | _owners(conversations), _next_of(conversations))
            threads = {c.customer_id: CustomerHistory(c.customer_id, c.phone_number_id, (c,)) for c in conversations}
            changes = UnitOfWork(threads, self._directory)
            moved = _Round(changes, members, self._directory, now, watermark, self._terms)
            moved.take_back(conversations)
            moved.offer()
            changes.write(connection, self._topics.conversations)
            people.mark_assigned(moved.given)
            changes.count(connection)
        _OFFERED.inc(len(moved.given))
        _TAKEN_BACK.inc(moved.taken_back)
        return len(moved.given) + moved.taken_back


class _Round:
    """One round's decisions, in memory, under the locks. One conversation a customer: a thread of one. `watermark`: all
    that customers and desks said before is known."""

    def __init__(
        self,
        changes: UnitOfWork,
        members: dict[str, Member],
        directory: Directory,
        now: datetime,
        watermark: datetime,
        terms: RoutingPolicy,
    ) -> None:
        self._changes = changes
        self._members = members
        self._directory = directory
        self._now = now
        self._watermark = watermark
        self._terms = terms
        self.given: list[str] = []
        self.taken_back = 0

    def take_back(self, conversations: Iterable[Conversation]) -> None:
        """Offers that ended: their agents' slots are free again. Then what agents have beyond their maximum and did not
        accept, the latest offer first."""
        offered = [(c, c.owner) for c in conversations if c.owner is not None and c.owner.state == "assigned"]
        offered.sort(key=lambda each: each[1].until or self._now, reverse=True)
        for is_due in (self._is_over, self._is_above):
            still = []
            for conversation, owner in offered:
                if is_due(conversation, owner):
                    self._take_back(conversation, owner)
                else:
                    still.append((conversation, owner))
            offered = still

    def _take_back(self, conversation: Conversation, owner: Owner) -> None:
        here = self._here(conversation)
        self._slot(owner.id, -1)
        after = after_missed_offer(conversation, self._members, self._directory, here, self._terms)
        self._decide(conversation, after, here)
        self.taken_back += 1

    def offer(self) -> None:
        """What waits, those reserved for a user first, then windows that end soon, then first in, first out."""
        waiting = [c for t in self._changes.threads.values() for c in t.conversations if c.owner is not None]
        # kept in the order in which `choose` would take them: looking through 200 members for each of 500 conversations
        # cost four fifths of a round
        available = [m for m in self._members.values() if m.is_available(self._now, self._terms.silent)]
        ordered = sorted(precedence(member, self._now) for member in available)
        for conversation in sorted(waiting, key=self._urgency):
            for place in ordered:
                chosen = self._members[place[-1]]
                if is_eligible(conversation, chosen, self._now):
                    break
            else:
                continue
            ordered.remove(place)
            here = self._here(conversation)
            self._decide(conversation, offer(conversation, chosen, here, self._terms), here)
            after = self._members[chosen.id]
            if after.free_capacity > 0:
                insort(ordered, precedence(after, self._now))

    def _decide(self, conversation: Conversation, decisions: Decisions, here: FactRef) -> None:
        led_to_it = conversation.decisions.because or here  # a choice, a command, a decline
        cause = Cause((led_to_it.fact,), "routing")
        self._changes.decide(conversation.customer_id, conversation, decisions, cause, self._now)
        if decisions.owner is not None and decisions.owner.state == "assigned":
            self._slot(decisions.owner.id, 1)
            self.given.append(decisions.owner.id)

    def _is_over(self, conversation: Conversation, owner: Owner) -> bool:
        member = self._members.get(owner.id)
        gone = (
            member is None or member.state == "offline" or member.is_presence_stale(self._watermark, self._terms.silent)
        )
        until = self._now if conversation.decisions.last == "declined" else self._watermark
        return gone or (owner.until is not None and owner.until <= until)

    def _is_above(self, _: Conversation, owner: Owner) -> bool:
        member = self._members.get(owner.id)
        return member is not None and member.is_over_capacity

    def _slot(self, agent: str, change: int) -> None:
        member = self._members.get(agent)
        if member is not None:
            idle_since = self._now if change > 0 else member.idle_since
            active = member.active_conversations + change
            self._members[agent] = member._replace(active_conversations=active, idle_since=idle_since)

    def _here(self, conversation: Conversation) -> FactRef:
        return FactRef(self._now, fact_id("routing", str(conversation.id), str(conversation.version)))

    def _urgency(self, conversation: Conversation) -> tuple[bool, bool, datetime]:
        owner, decisions = conversation.owner, conversation.decisions
        assert owner is not None
        later = conversation.window_ends_at > self._now + SOON
        return owner.kind != "user", later, decisions.queued_at or conversation.opened_at


def _owners(conversations: Iterable[Conversation]) -> set[str]:
    return {c.owner.id for c in conversations if c.owner is not None and c.owner.kind == "user"}


def _next_of(conversations: Iterable[Conversation]) -> set[str]:
    return {c.decisions.next_of for c in conversations if c.decisions.next_of is not None}
