"""What becomes of mails, written and told with their conversations: shared by who sends and who hears of them."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, cast, get_args
from uuid import UUID

from psycopg import Connection

from consumers.batches.batch_loop import RetryBatch
from consumers.changes.conversations import UnitOfWork
from domain.conversations.events import EventName
from domain.conversations.fold import Cause, CustomerHistory
from domain.directory import Directory
from domain.facts import MailEvent
from domain.ids import CustomerId
from domain.mail import Mail, after_event
from infra.postgres import mails
from infra.postgres.conversations.threads import CustomerHistories

_TOLD = frozenset(name.removeprefix("mail.") for name in get_args(EventName) if name.startswith("mail."))


class MailChanges:
    """Mails that are locked, after their customers (P5), as they were read and as they are now."""

    def __init__(self, connection: Connection[Any], wanted: Collection[UUID], *, wait: bool) -> None:
        """Takes the locks. `wait` False: for who holds later locks already; then raises Again where somebody else has
        one of them."""
        threads = CustomerHistories(connection)
        of = mails.conversations_of(connection, wanted)
        whose = threads.customers_of(set(of.values()))
        customers: set[CustomerId] = {customer for customer, _ in whose.values()}
        if wait:
            threads.lock(customers)
        else:
            # also those that a conversation was begun with, before they were joined: the timer locks them alone
            customers |= {conversation.customer_id for conversation in threads.read(set(of.values()))}
            if threads.lock_free(customers) != customers:
                raise RetryBatch
        if threads.customers_of(set(of.values())) != whose:
            raise RetryBatch
        self.mails = mails.lock(connection, of)
        self._connection = connection
        loaded: dict[CustomerId, CustomerHistory] = {}
        for conversation in threads.read(set(of.values())):
            customer, number = whose[conversation.id]
            known = loaded.get(customer, CustomerHistory(customer, number)).conversations
            loaded[customer] = CustomerHistory(customer, number, (*known, conversation))
        self._changes = UnitOfWork(loaded, Directory())
        self._changed: dict[UUID, Mail] = {}

    def become(self, after: Mail, at: datetime, cause: Cause) -> None:
        """One mail is now like this; the outside is told if it shows something else than before."""
        before = self.mails[after.id]
        self.mails[after.id] = self._changed[after.id] = after
        if after.shown != before.shown and after.shown in _TOLD:
            self._changes.tell(after.conversation_id, after, cast(EventName, f"mail.{after.shown}"), at, cause)

    @classmethod
    def hear(cls, connection: Connection[Any], events: Sequence[MailEvent], topic: str) -> None:
        """Works SES's events in, each once, also while later locks are held. Events of mails that nobody here knows are
        kept and change nothing. Raises Again."""
        new = mails.store_events(connection, events)
        if not new:
            return
        changes = cls(connection, {event.mail_id for event in events}, wait=False)
        for event in events:
            mail = changes.mails.get(event.mail_id)
            if event.id in new and mail is not None:
                new.discard(event.id)
                changes.become(after_event(mail, event), event.at, Cause((event.id,), "ses"))
        changes.write(topic)

    def write(self, topic: str, pause: timedelta = timedelta()) -> None:
        """`topic`: of public events; `pause`: before those that are to be sent again are due."""
        mails.write(self._connection, self._changed.values(), pause)
        self._changes.write(self._connection, topic)
