"""What a batch changes in the conversations, until it is written in the one order of all writers (P5)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection

from consumers.changes.announcements import public_event_record
from domain.conversations.conversation import Conversation, Decisions
from domain.conversations.events import EventName, PublicEvent
from domain.conversations.fold import Cause, CustomerHistory, FactPlacement, FoldResult, decide, expire, fold, settle
from domain.directory import Directory
from domain.facts import ConversationFact
from domain.ids import ConversationId, CustomerId
from domain.mail import Mail
from infra.postgres.conversations.threads import CustomerHistories
from infra.postgres.messaging.outbox import Outbox


class UnitOfWork:
    """Threads of locked customers, as they were loaded and as they are now."""

    def __init__(self, loaded: dict[CustomerId, CustomerHistory], directory: Directory) -> None:
        self.threads = loaded
        self._before = {c.id: c for thread in loaded.values() for c in thread.conversations}
        self._directory = directory
        # by object: a fact that waits, and is adopted in the same batch, is one and the same
        self._new: dict[int, tuple[CustomerId, FactPlacement]] = {}
        self._adopted: dict[tuple[UUID, datetime], FactPlacement] = {}
        self._events: list[PublicEvent] = []
        self._changed: list[tuple[Conversation | None, Conversation]] = []
        self._cut: dict[ConversationId, tuple[CustomerId, datetime]] = {}

    def fold(self, customer: CustomerId, fact: ConversationFact, now: datetime) -> None:
        """A fact that was not seen before. Raises OverflowError for times at the edge of the calendar."""
        self._keep(customer, fold(self.threads[customer], fact, self._directory, now), fact, now)

    def settle(self, connection: Connection[Any]) -> None:
        """After the last fact of a batch: conversations that were cut give away the facts that lie after their end."""
        threads = CustomerHistories(connection)
        while self._cut:
            cut, self._cut = self._cut, {}
            ends = {c.id: c.window_ends_at for t in self.threads.values() for c in t.conversations if c.id in cut}
            placed_late = {c for p in self._placed() if (c := p.conversation) in ends and p.fact.at >= ends[c]}
            for conversation in threads.reaching(ends) | placed_late:
                customer, now = cut[conversation]
                placed = {(p.fact.id, p.fact.sent_at): p for p in self._placed()}
                facts = [f for f in threads.facts_of(conversation) if (f.id, f.sent_at) not in placed]
                facts += [p.fact for p in placed.values() if p.conversation == conversation]
                step = settle(self.threads[customer], conversation, facts, self._directory, now)
                self._keep(customer, step, None, now)

    def _placed(self) -> Iterator[FactPlacement]:
        """Where this batch has put facts so far."""
        yield from (placed for _, placed in self._new.values())
        yield from self._adopted.values()

    def decide(
        self, customer: CustomerId, conversation: Conversation, decisions: Decisions, cause: Cause, now: datetime
    ) -> None:
        """A decision that no fact took."""
        step = decide(self.threads[customer], conversation.id, decisions, cause, self._directory, now)
        self._keep(customer, step, None, now)

    def tell(self, conversation: UUID, mail: Mail, name: EventName, at: datetime, cause: Cause) -> None:
        """Something became of a mail: a public event of the conversation, which stays as it is."""
        for customer, thread in self.threads.items():
            if any(c.id == conversation for c in thread.conversations):
                counted = tuple(
                    c._replace(sequence=c.sequence + 1) if c.id == conversation else c for c in thread.conversations
                )
                self.threads[customer] = thread._replace(conversations=counted)
                self._events += [
                    PublicEvent(c, name, at, cause.facts, cause.actor, mail) for c in counted if c.id == conversation
                ]

    def expire(self, customer: CustomerId, now: datetime) -> None:
        """Closes what is over."""
        self._keep(customer, expire(self.threads[customer], self._directory, now), None, now)

    def write(self, connection: Connection[Any], topic: str) -> None:
        """Everything but the counters; those come last of all (`count`). In a pipeline: PostgreSQL works on one
        statement while the next is made."""
        threads = CustomerHistories(connection)
        after = (c for thread in self.threads.values() for c in thread.conversations)
        both = ((self._before.get(c.id), c) for c in after)
        self._changed = [(before, after) for before, after in both if after is not before]
        existing = [after for before, after in self._changed if before is not None]
        with connection.pipeline():
            threads.write_conversations(existing, [after for before, after in self._changed if before is None])
            threads.write_entries(self._new.values(), self._adopted.values())
            threads.write_history(self._events)
            Outbox(connection).add(public_event_record(event, topic) for event in self._events)

    def count(self, connection: Connection[Any]) -> None:
        """Moves the counters of the unmanaged, for what was written: the last write of a transaction."""
        before = [before for before, _ in self._changed if before is not None]
        CustomerHistories(connection).count(before, [after for _, after in self._changed])

    def _keep(self, customer: CustomerId, step: FoldResult, fact: ConversationFact | None, now: datetime) -> None:
        self.threads[customer] = step.thread
        self._events += step.events
        self._cut |= dict.fromkeys(step.cut, (customer, now))
        for placed in step.placed:
            which = id(placed.fact)
            if placed.fact is fact or which in self._new:
                self._new[which] = (customer, placed)
            else:
                self._adopted[placed.fact.id, placed.fact.sent_at] = placed
