"""The `routing` process: offers conversations that wait to agents who are available (domain.md, *Presence and
routing*). Its promise: no conversation has two owners, no agent is given more than their maximum, and a waiting
conversation and an available agent wait for each other for five seconds at most.

Any number may run. A poll locks the customers of what waits, as far as nobody else has locked them, then the users;
everything is read again under the locks.

Windows and reservations, offers that nobody accepted in time, and agent desktops that sent nothing for too long are
judged by the inbound watermark, as by the timer (architecture.md, P6a): a message that moves the window, or an
acceptance, may still be on its way. A declined conversation goes back at once.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from threading import Event as Flag
from time import monotonic
from typing import Any

import psycopg
from prometheus_client import Counter
from psycopg import Connection

from consumers.batches.poison import PoisonPolicy
from consumers.changes.unit_of_work import UnitOfWork, active_histories
from consumers.workers.isolation import Due, Isolation, of_conversation
from consumers.workers.progress.stall_detector import StallDetector
from consumers.workers.worker_loop import WorkerLoop
from domain.conversations.conversation import Conversation, Decisions, FactRef, Owner, decision_ref
from domain.conversations.events import Cause
from domain.directory import Directory
from domain.ids import fact_id
from domain.routing.agents import Member, precedence
from domain.routing.transfers import RoutingPolicy, after_missed_offer, is_eligible, is_parked, offer
from domain.topics import Topics
from infra.postgres import directory
from infra.postgres.connections.clock import database_now
from infra.postgres.conversations.agents import Agents
from infra.postgres.conversations.customers import Customers
from infra.postgres.conversations.queues import SOON, SPARE, Queues
from infra.postgres.messaging.offsets import inbound_watermark
from infra.postgres.messaging.parked import ParkedItems
from infra.process.crash_points import crash_point
from infra.process.memory import collect_rarely
from infra.process.readiness import every_reason

BATCH = 1000
"""Conversations of one poll: about a quarter of a second."""

_IDLE_SECONDS = 0.5

_OFFERED = Counter("witiop_routing_offered", "Conversations offered to an agent.")
_TAKEN_BACK = Counter("witiop_routing_taken_back", "Offers and reservations that ended with nobody accepting.")


@dataclass(frozen=True, slots=True)
class _Found:
    """What a poll may move, and who was ready for it. `watermark`: everything from before is processed."""

    due: Sequence[Due]
    ready: frozenset[str]
    watermark: datetime


class Routing:
    """Routes until stopped. `transaction`: as for the consumers. `batch`: conversations of one poll. `clock`: seconds
    that only increase."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        topics: Topics,
        policy: RoutingPolicy,
        batch: int = BATCH,
        stalls: StallDetector | None = None,
        poison: PoisonPolicy | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._batch = batch
        self._transaction = transaction
        self._topics = topics
        self._policy = policy
        self._directories = directory.DirectoryCache()
        self._stalls = stalls or StallDetector()
        self._isolation = Isolation(ParkedItems(transaction, "routing"), of_conversation, poison, clock)
        self._loop = WorkerLoop("routing", self._poll)

    def not_ready_reason(self) -> str | None:
        """Returns what keeps routing from working, for /readyz; None: nothing."""
        return every_reason(self._loop.not_ready_reason(), self._isolation.not_ready_reason())

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours."""
        collect_rarely()
        self._loop.run(stop)

    def _poll(self, _: Flag) -> float:
        try:
            return 0.0 if self.poll() else _IDLE_SECONDS
        except psycopg.Error:
            self._stalls.reset()
            raise

    def poll(self) -> int:
        """Ends offers that nobody accepted, then offers what waits; returns how many conversations moved. Raises
        PoisonStorm, psycopg errors."""
        with self._transaction() as connection:
            found = self._find(connection)
        moves: list[_Moves] = []

        def move(due: Sequence[Due]) -> None:
            with self._transaction() as connection:
                done = self._move(connection, due, found)
            moves.append(done)

        self._isolation.process(found.due, move)
        offered, taken_back = sum(len(m.offered_to) for m in moves), sum(m.taken_back for m in moves)
        _OFFERED.inc(offered)
        _TAKEN_BACK.inc(taken_back)
        return offered + taken_back

    def _find(self, connection: Connection[Any]) -> _Found:
        """Takes no lock."""
        queues, policy, now = Queues(connection), self._policy, database_now(connection)
        members = Agents(connection).ready().values()
        ready = [m for m in members if m.is_available(now, policy.presence_timeout)]
        over_capacity = [m.id for m in members if m.is_over_capacity]
        watermark = min(now, inbound_watermark(connection, self._topics.inbound, self._stalls.stalled()))
        parked = len(self._isolation.parked())  # found again each time, before the others
        ended = queues.ended(now, watermark, policy.presence_timeout, over_capacity, self._batch + parked)
        waiting = queues.waiting(ready, now, watermark, self._batch + parked, SPARE + parked)
        due = list(dict.fromkeys((*ended, *waiting)))
        return _Found(due, frozenset(m.id for m in ready), watermark)

    def _move(self, connection: Connection[Any], due: Sequence[Due], found: _Found) -> "_Moves":
        current = self._directories.lock_shared(connection)
        free = Customers(connection).lock_free({customer for _, customer in due})
        crash_point("routing.after-lock")
        conversations = free.of(Queues(connection).read([c for c, _ in due]))
        members = Agents(connection).lock(found.ready | _owners(conversations), _next_of(conversations))
        with UnitOfWork(connection, self._topics.conversations, active_histories(conversations), current) as work:
            moves = _Moves(work, members, current, database_now(connection), found.watermark, self._policy)
            moves.take_back(conversations)
            moves.offer()
            work.assigned = moves.offered_to
        return moves


class _Moves:
    """The decisions of one poll, in memory, under the locks. Each customer has one conversation here. `watermark`:
    everything that customers and agent desktops sent before is processed."""

    def __init__(
        self,
        work: UnitOfWork,
        members: dict[str, Member],
        directory: Directory,
        now: datetime,
        watermark: datetime,
        policy: RoutingPolicy,
    ) -> None:
        self._work = work
        self._members = members
        self._directory = directory
        self._now = now
        self._watermark = watermark
        self._policy = policy
        self.offered_to: list[str] = []
        self.taken_back = 0

    def take_back(self, conversations: Iterable[Conversation]) -> None:
        """Ends offers that are over, which gives their agents the capacity back. Then ends offers of agents who have
        more than their maximum, the latest offer first."""
        offered = [(c, c.owner) for c in conversations if c.owner is not None and c.owner.state == "assigned"]
        offered.sort(key=lambda each: each[1].until or self._now, reverse=True)
        for is_due in (self._is_over, self._is_over_capacity):
            remaining = []
            for conversation, owner in offered:
                if is_due(conversation, owner):
                    self._take_back(conversation, owner)
                else:
                    remaining.append((conversation, owner))
            offered = remaining

    def _take_back(self, conversation: Conversation, owner: Owner) -> None:
        ref = self._ref(conversation)
        self._count_active(owner.id, -1)
        after = after_missed_offer(conversation, self._members, self._directory, ref, self._policy, self._watermark)
        self._decide(conversation, after, ref)
        self.taken_back += 1

    def offer(self) -> None:
        """Offers what waits: first conversations reserved for a user, then those whose window ends soon, then first in,
        first out."""
        histories, now = self._work.histories.values(), self._now
        waiting = [c for h in histories for c in h.conversations if c.owner is not None and not is_parked(c, now)]
        # kept in the order in which `next_agent` would take them: looking through 200 members for each of 500
        # conversations cost four fifths of a poll
        available = [m for m in self._members.values() if m.is_available(self._now, self._policy.presence_timeout)]
        ordered = sorted(precedence(member, self._now) for member in available)
        for conversation in sorted(waiting, key=self._urgency):
            for place in ordered:
                chosen = self._members[place[-1]]
                if is_eligible(conversation, chosen, self._watermark):
                    break
            else:
                continue
            ordered.remove(place)
            ref = self._ref(conversation)
            self._decide(conversation, offer(conversation, chosen, ref, self._policy), ref)
            after = self._members[chosen.id]
            if after.free_capacity > 0:
                insort(ordered, precedence(after, self._now))

    def _decide(self, conversation: Conversation, decisions: Decisions, ref: FactRef) -> None:
        led_to_it = conversation.decisions.because or ref  # a choice, a command, a decline
        cause = Cause((led_to_it.fact,), "routing")
        customer = conversation.customer_id
        owner = self._work.decide(customer, conversation, decisions, cause, self._now, self._watermark).owner
        if owner is not None and owner.state == "assigned":
            self._count_active(owner.id, 1)
            self.offered_to.append(owner.id)

    def _is_over(self, conversation: Conversation, owner: Owner) -> bool:
        member = self._members.get(owner.id)
        gone = (
            member is None
            or member.state == "offline"
            or member.is_presence_stale(self._watermark, self._policy.presence_timeout)
        )
        until = self._now if conversation.decisions.last == "declined" else self._watermark
        return gone or (owner.until is not None and owner.until <= until)

    def _is_over_capacity(self, _: Conversation, owner: Owner) -> bool:
        member = self._members.get(owner.id)
        return member is not None and member.is_over_capacity

    def _count_active(self, agent: str, change: int) -> None:
        member = self._members.get(agent)
        if member is not None:
            idle_since = self._now if change > 0 else member.idle_since
            active = member.active_conversations + change
            self._members[agent] = member._replace(active_conversations=active, idle_since=idle_since)

    def _ref(self, conversation: Conversation) -> FactRef:
        return decision_ref(self._now, fact_id("routing", str(conversation.id), str(conversation.version)))

    def _urgency(self, conversation: Conversation) -> tuple[bool, bool, datetime]:
        owner, decisions = conversation.owner, conversation.decisions
        assert owner is not None
        later = conversation.window_ends_at > self._now + SOON
        return owner.kind != "user", later, decisions.queued_at or conversation.opened_at


def _owners(conversations: Iterable[Conversation]) -> set[str]:
    return {c.owner.id for c in conversations if c.owner is not None and c.owner.kind == "user"}


def _next_of(conversations: Iterable[Conversation]) -> set[str]:
    return {c.decisions.next_of for c in conversations if c.decisions.next_of is not None}
