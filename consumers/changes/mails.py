"""What becomes of mails, with the public events about it. Shared by the mail worker and by the consumer of SES's
events."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import cast, get_args
from uuid import UUID

from consumers.changes.locks import lock_conversations
from consumers.changes.unit_of_work import UnitOfWork
from domain.conversations.events import Cause, EventName
from domain.facts import MailEvent
from domain.mail import Mail, after_event
from infra.postgres import mails

_PUBLISHED = frozenset(name.removeprefix("mail.") for name in get_args(EventName) if name.startswith("mail."))


class MailChanges:
    """Locked mails and their conversations, inside a unit of work."""

    def __init__(self, work: UnitOfWork, wanted: Collection[UUID], *, wait: bool) -> None:
        """Locks the mails after their customers (P5). `wait` False: for callers that hold later locks already; raises
        RetryBatch where another writer has one of them."""
        self._work = work
        of = mails.conversations_of(work.connection, wanted)
        conversations = lock_conversations(work.connection, set(of.values()), wait=wait)
        self.mails = mails.lock(work.connection, of)
        for customer, conversation in conversations:
            work.include(customer, conversation.phone_number_id, conversation)

    def change(self, after: Mail, at: datetime, cause: Cause) -> None:
        """Changes one mail, and publishes an event if its status differs from before."""
        before = self.mails[after.id]
        self.mails[after.id] = self._work.mails[after.id] = after
        if after.shown != before.shown and after.shown in _PUBLISHED:
            name = cast(EventName, f"mail.{after.shown}")
            self._work.publish_mail_event(after.conversation_id, after, name, at, cause)


def apply_mail_events(work: UnitOfWork, events: Sequence[MailEvent]) -> None:
    """Applies events of SES, each once, also while later locks are held. Events about unknown mails are stored and
    change nothing. Raises RetryBatch."""
    new = mails.store_events(work.connection, events)
    if not new:
        return
    changes = MailChanges(work, {event.mail_id for event in events}, wait=False)
    for event in events:
        mail = changes.mails.get(event.mail_id)
        if event.id in new and mail is not None:
            new.discard(event.id)
            changes.change(after_event(mail, event), event.at, Cause((event.id,), "ses"))
