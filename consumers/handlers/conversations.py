"""The `conversations` consumer: every fact the webhook kept becomes part of its customer's conversation, once.

One batch is folded as a whole: found, locked and read with one statement each, folded in memory with the pure rule,
written with one statement each (architecture.md, P4). What waits on the unreadable topic is copied to `set_aside`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from pydantic import ValidationError

from consumers.batches.batch_loop import RetryBatch
from consumers.batches.poison import Poison
from consumers.changes.conversations import UnitOfWork
from consumers.changes.mails import MailChanges
from domain.conversations.customers import Identity, IdentityIndex, IdentityKey, keys_of
from domain.directory import Directory
from domain.facts import (
    FACT,
    AgentAccepted,
    AgentClosed,
    AgentDeclined,
    AgentMessage,
    AgentPresenceChanged,
    ConversationFact,
    CustomerIdentityChanged,
    Fact,
    MailEvent,
    MessageStatus,
    Notice,
)
from domain.ids import CustomerId
from domain.inbound.reading import clamp
from domain.topics import REASON_HEADER, SOURCE_HEADER, Topics
from infra.kafka.consumer import IncomingRecord
from infra.postgres import directory
from infra.postgres.conversations.statuses import write_notices, write_presence, write_statuses
from infra.postgres.conversations.threads import CustomerHistories, HistoryRequest
from infra.postgres.messaging.dead_letters import DeadLetter, store_dead_letters


class _Item(NamedTuple):
    """A fact of a conversation, with the record that brought it, the keys its customer is found by, and the
    conversation it names if it names one."""

    record: IncomingRecord
    fact: ConversationFact
    keys: Sequence[IdentityKey]
    named: UUID | None


@dataclass(slots=True)
class _Sorted:
    """A batch by what its facts are about."""

    items: list[_Item] = field(default_factory=list)
    statuses: list[MessageStatus] = field(default_factory=list)
    presence: list[AgentPresenceChanged] = field(default_factory=list)
    mail_events: list[MailEvent] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    unreadable: list[DeadLetter] = field(default_factory=list)
    seen: dict[str, datetime] = field(default_factory=dict)

    def saw(self, agent: str, at: datetime) -> None:
        """An agent's desk said something."""
        self.seen[agent] = max(at, self.seen.get(agent, at))


class _Who(NamedTuple):
    """Whose fact it is, after joining."""

    customer: CustomerId
    number: str


class _Known(NamedTuple):
    """What the database knows of a batch: identities, and customer and number of the conversations that facts name."""

    identities: dict[IdentityKey, Identity]
    named: dict[UUID, tuple[CustomerId, str]]


class Conversations:
    """The handler of the inbound and the unreadable topic."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._known = directory.DirectoryCache()
        self._directory = Directory()

    def apply(self, connection: Connection[Any], records: Sequence[IncomingRecord]) -> None:
        """Works the records in. Raises Poison, Again, psycopg errors."""
        self._directory = self._known.lock_shared(connection)
        batch = self._sort(records)
        changes = self._fold(connection, batch.items) if batch.items else None
        MailChanges.hear(connection, batch.mail_events, self._topics.conversations)
        write_presence(connection, batch.presence, batch.seen)
        write_statuses(connection, batch.statuses)
        write_notices(connection, batch.notices)
        store_dead_letters(connection, batch.unreadable)
        if changes is not None:
            changes.count(connection)

    def _sort(self, records: Sequence[IncomingRecord]) -> _Sorted:
        batch = _Sorted()
        for record in records:
            if record.topic == self._topics.unreadable:
                batch.unreadable.append(_unreadable(record))
                continue
            match _read(record):
                case MessageStatus() as status:
                    batch.statuses.append(status)
                case AgentPresenceChanged() as change:
                    batch.presence.append(change)
                    batch.saw(change.agent_id, record.at)
                case MailEvent() as event:
                    batch.mail_events.append(event)
                case Notice() as notice:
                    batch.notices.append(notice)
                case fact:
                    batch.items.append(_Item(record, fact, _keys(fact), _conversation_named(fact)))
                    if isinstance(fact, AgentAccepted | AgentMessage | AgentDeclined | AgentClosed):
                        batch.saw(fact.agent_id, record.at)
        return batch

    def _fold(self, connection: Connection[Any], items: Sequence[_Item]) -> UnitOfWork:
        threads = CustomerHistories(connection)
        whose, joined = _lock(threads, items)
        new: dict[tuple[UUID, datetime], tuple[_Item, _Who]] = {}
        for item, who in zip(items, whose, strict=True):
            new.setdefault((item.fact.id, item.fact.sent_at), (item, who))
        for repeated in threads.seen(new):
            del new[repeated]
        of_customer: dict[CustomerId, tuple[str, list[_Item]]] = {}
        for item, who in new.values():
            of_customer.setdefault(who.customer, (who.number, []))[1].append(item)
        wanted = [HistoryRequest(c, number, min(i.fact.at for i in its)) for c, (number, its) in of_customer.items()]
        changes = UnitOfWork(threads.load(wanted, joined, _named(items)), self._directory)
        for customer, (_, its) in of_customer.items():
            _take(changes, its, customer)
        changes.settle(connection)
        changes.write(connection, self._topics.conversations)
        return changes


def _take(changes: UnitOfWork, items: Iterable[_Item], customer: CustomerId) -> None:
    """The rule's now is the moment the broker took the record, so a backlog is judged as it would have been in time."""
    for item in items:
        try:
            changes.fold(customer, item.fact, item.record.at)
        except OverflowError as error:
            raise Poison(item.record, "at: out of range") from error


def _lock(threads: CustomerHistories, items: Sequence[_Item]) -> tuple[list[_Who], dict[CustomerId, list[CustomerId]]]:
    """Finds the customers and takes their locks. What was found is read again under the locks; if somebody changed it
    meanwhile, raises Again. Returns whose each fact is, and who was joined into whom."""
    keys = {key for item in items for key in item.keys}
    for item in items:
        if isinstance(item.fact, CustomerIdentityChanged):
            keys.update(keys_of(item.fact.phone_number_id, item.fact.becomes))
    known = _look_up(threads, keys, items)
    book, whose = _resolve(known, items)
    threads.add_identities(book.learned.values())
    locked = threads.lock({who.customer for who in whose} | set(book.merged))
    again = _look_up(threads, keys, items)
    added = {key: identity for key, identity in book.learned.items() if key not in known.identities}
    if again != _Known({**known.identities, **added}, known.named):
        book, whose = _resolve(again, items)
    if not ({who.customer for who in whose} | set(book.merged)) <= locked.keys():
        raise RetryBatch
    changed = [identity for identity in book.learned.values() if again.identities.get(identity.key) != identity]
    threads.change_identities(changed, book.merged)
    joined: dict[CustomerId, list[CustomerId]] = {}
    for root, members in locked.items():
        joined.setdefault(book.merged.get(root, root), []).extend(members)
    for goes, stays in book.merged.items():
        joined.setdefault(stays, []).append(goes)
    return whose, joined


def _look_up(threads: CustomerHistories, keys: set[IdentityKey], items: Iterable[_Item]) -> _Known:
    identities = {identity.key: identity for identity in threads.identities(keys)}
    return _Known(identities, threads.customers_of(_named(items)))


def _resolve(known: _Known, items: Iterable[_Item]) -> tuple[IdentityIndex, list[_Who]]:
    book = IdentityIndex(known.identities.values())
    whose = [_who(item, book, known.named) for item in items]
    if book.merged:
        whose = [_Who(book.merged.get(who.customer, who.customer), who.number) for who in whose]
    return book, whose


def _who(item: _Item, book: IdentityIndex, named: dict[UUID, tuple[CustomerId, str]]) -> _Who:
    fact = item.fact
    if item.named in named:
        return _Who(*named[item.named])
    if fact.customer is None or fact.phone_number_id is None:
        raise Poison(item.record, "conversation_id: there is no such conversation")
    try:
        if isinstance(fact, CustomerIdentityChanged):
            return _Who(book.change(fact), fact.phone_number_id)
        return _Who(book.resolve(item.keys, fact.at), fact.phone_number_id)
    except ValueError as error:
        raise Poison(item.record, str(error)) from error


def _keys(fact: ConversationFact) -> Sequence[IdentityKey]:
    if fact.customer is None or fact.phone_number_id is None:
        return ()
    return keys_of(fact.phone_number_id, fact.customer)


def _conversation_named(fact: ConversationFact) -> UUID | None:
    match fact:
        case AgentAccepted() | AgentMessage() | AgentDeclined() | AgentClosed():
            return fact.conversation_id
        case _:
            return None


def _named(items: Iterable[_Item]) -> set[UUID]:
    return {item.named for item in items if item.named is not None}


def _read(record: IncomingRecord) -> Fact:
    """The fact in a record. Its time is clamped again: the webhook's clock may be wrong."""
    try:
        fact = FACT.validate_json(record.value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "value"
        raise Poison(record, f"{where}: {first['type']}"[:200]) from error
    clamped = clamp(fact.at, record.at)
    return fact if clamped == fact.at else fact.model_copy(update={"at": clamped})


def _unreadable(record: IncomingRecord) -> DeadLetter:
    return DeadLetter(
        "unreadable",
        record.headers.get(SOURCE_HEADER, "whatsapp"),
        record.headers.get(REASON_HEADER, "unreadable"),
        record.at,
        record.value,
        record.topic,
        record.partition,
        record.offset,
    )
