"""What a batch changes in the conversations, until it is written in the one order of all writers (P5)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection

from consumers.announcements import announcement
from domain.conversation import Conversation, Decisions
from domain.directory import Directory
from domain.events import Event, EventName
from domain.facts import ConversationFact
from domain.ids import CustomerId
from domain.mail import Mail
from domain.thread import Cause, Placed, Step, Thread, decide, expire, fold
from infra.postgres.outbox import Outbox
from infra.postgres.threads import Threads


class Changes:
    """Threads of locked customers, as they were loaded and as they are now."""

    def __init__(self, loaded: dict[CustomerId, Thread], directory: Directory) -> None:
        self.threads = loaded
        self._before = {c.id: c for thread in loaded.values() for c in thread.conversations}
        self._directory = directory
        self._new: dict[tuple[UUID, datetime], tuple[CustomerId, Placed]] = {}
        self._adopted: dict[tuple[UUID, datetime], Placed] = {}
        self._events: list[Event] = []

    def fold(self, customer: CustomerId, fact: ConversationFact, now: datetime) -> None:
        """A fact that was not seen before. Raises OverflowError for times at the edge of the calendar."""
        self._keep(customer, fold(self.threads[customer], fact, self._directory, now), fact)

    def decide(
        self, customer: CustomerId, conversation: Conversation, decisions: Decisions, cause: Cause, now: datetime
    ) -> None:
        """A decision that no fact took."""
        step = decide(self.threads[customer], conversation.id, decisions, cause, self._directory, now)
        self._keep(customer, step, None)

    def tell(self, conversation: UUID, mail: Mail, name: EventName, at: datetime, cause: Cause) -> None:
        """Something became of a mail: a public event of the conversation, which stays as it is."""
        for customer, thread in self.threads.items():
            if any(c.id == conversation for c in thread.conversations):
                counted = tuple(
                    c._replace(sequence=c.sequence + 1) if c.id == conversation else c for c in thread.conversations
                )
                self.threads[customer] = thread._replace(conversations=counted)
                self._events += [
                    Event(c, name, at, cause.facts, cause.actor, mail) for c in counted if c.id == conversation
                ]

    def expire(self, customer: CustomerId, now: datetime) -> None:
        """Closes what is over."""
        self._keep(customer, expire(self.threads[customer], self._directory, now), None)

    def write(self, connection: Connection[Any], topic: str) -> None:
        """Everything but the counters; those come last of all (`count`)."""
        threads = Threads(connection)
        changed = self._changed()
        existing = [c for c in changed if c.id in self._before]
        threads.write_conversations(existing, [c for c in changed if c.id not in self._before])
        threads.write_entries(self._new.values(), self._adopted.values())
        threads.write_history(self._events)
        Outbox(connection).add(announcement(event, topic) for event in self._events)

    def count(self, connection: Connection[Any]) -> None:
        """Moves the counters of the unmanaged: the last write of a transaction."""
        changed = self._changed()
        Threads(connection).count([self._before[c.id] for c in changed if c.id in self._before], changed)

    def _changed(self) -> list[Conversation]:
        after = (c for thread in self.threads.values() for c in thread.conversations)
        return [c for c in after if c is not self._before.get(c.id)]

    def _keep(self, customer: CustomerId, step: Step, fact: ConversationFact | None) -> None:
        self.threads[customer] = step.thread
        self._events += step.events
        for placed in step.placed:
            key = (placed.fact.id, placed.fact.sent_at)
            if placed.fact is fact or key in self._new:
                self._new[key] = (customer, placed)
            else:
                self._adopted[key] = placed
