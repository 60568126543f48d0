"""The `conversations` consumer: applies every fact from the webhooks to its customer's conversations, once.

A batch is folded as a whole: customers and conversations are found, locked and read with one statement each, folded in
memory with the pure rules, and written with one statement each (architecture.md, P4). Records of the unreadable topic
are copied to the dead letters.
"""

import collections
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from prometheus_client import Counter
from psycopg import Connection

from consumers.batches.leftover import Leftover, dead_letter
from consumers.changes.answers import AnswerChanges
from consumers.changes.identities import hand_over
from consumers.changes.mails import apply_mail_events
from consumers.changes.number_texts import texts_due
from consumers.changes.opt_outs import OptOutChanges, changes_by_words
from consumers.changes.sends import changed_by_statuses
from consumers.changes.unit_of_work import UnitOfWork
from consumers.changes.wishes import WishChanges
from consumers.handlers.fact_customers import FactCustomer, FactItem, lock_customers, named_in
from consumers.handlers.forgotten import ReadFact, without_forgotten
from consumers.handlers.inbound_records import read_fact, why_unreadable
from consumers.handlers.sightings import SightingNotes
from domain.campaigns.answers import AnswerTerms
from domain.conversations.customers.identity_index import IdentityIndex
from domain.conversations.events import Cause
from domain.conversations.evidence.message_changes import MessageChange, change_of
from domain.conversations.placement.window import WINDOW, adoptable_span
from domain.directory import Directory
from domain.facts import (
    AccountChanged,
    AccountFact,
    AgentFact,
    AgentMessage,
    AgentPresenceChanged,
    BotFact,
    ConversationFact,
    CustomerIdentityChanged,
    CustomerSignal,
    CustomerTurn,
    Fact,
    HumanEcho,
    MailEvent,
    MarketingPreference,
    MessageStatus,
    Notice,
    NumberChanged,
    TemplateChanged,
)
from domain.ids import CustomerId, FactId, fact_id
from domain.opt_outs.opt_out import of_preference
from domain.outside_names import known_name
from domain.routing.transfers import RoutingPolicy
from domain.sending.acceptance import SendingPolicy
from domain.sending.reports import preference_in
from domain.setup.sightings import WEBHOOK_NOTICE, Sighting, sightings_in
from domain.topics import FROM_CONSOLE, REASON_HEADER, SOURCE_HEADER, Topics
from infra.kafka.consumer import IncomingRecord
from infra.postgres import directory
from infra.postgres.campaigns.answers import may_come
from infra.postgres.conversations.customers import Customers
from infra.postgres.conversations.histories import CustomerHistories, FactKey, HistoryRequest, Span
from infra.postgres.conversations.message_changes import MessageKey, as_mapping, read_changes
from infra.postgres.messaging.dead_letters import DeadLetter
from infra.postgres.messaging.early_records import EarlyRecord
from infra.postgres.messaging.offsets import inbound_watermark
from infra.postgres.sending.inbound import MEAN_SECONDS, note_inbound
from infra.postgres.sending.unknown import note_heard
from infra.process.clock import utc_now

_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
_AFTER_ALL = datetime.max.replace(tzinfo=UTC)

_WAITING = Counter("witiop_facts_waiting", "Facts that were stored and found no conversation yet.", ["kind"])

_HEARD_SECONDS = 10.0
"""How often it is noted at most that a number's webhooks arrive."""

_CAMPAIGN_SECONDS = 2.0
"""How often it is looked up at most whether there are campaigns."""

_MESSAGES = (CustomerTurn, CustomerSignal, HumanEcho, CustomerIdentityChanged)
"""Facts that are one per number and wamid."""
_EVENTS = (BotFact, AgentFact)
"""Facts that are one per id of their sender: a sender that gives a repeat another time says the same again."""


@dataclass(slots=True)
class _Batch:
    """The facts of a batch by what they are about."""

    items: list[FactItem] = field(default_factory=list)
    statuses: list[MessageStatus] = field(default_factory=list)
    presence: list[AgentPresenceChanged] = field(default_factory=list)
    mail_events: list[MailEvent] = field(default_factory=list)
    preferences: list[MarketingPreference] = field(default_factory=list)
    about_accounts: list[AccountFact] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    leftover: Leftover = field(default_factory=Leftover)
    desktops_seen: dict[str, datetime] = field(default_factory=dict)
    traces: dict[FactId, str] = field(default_factory=dict)
    sightings: dict[Sighting, datetime] = field(default_factory=dict)

    def add(self, record: IncomingRecord, fact: Fact) -> None:
        if (traceparent := record.traceparent) is not None:
            self.traces[fact.id] = traceparent
        for seen in sightings_in(fact, is_own=FROM_CONSOLE in record.raw_headers):
            self.sightings[seen] = max(record.at, self.sightings.get(seen, record.at))
        match fact:
            case MessageStatus():
                self.statuses.append(fact)
                if (preference := preference_in(fact)) is not None:
                    self.preferences.append(preference)
            case MarketingPreference():
                self.preferences.append(fact)
            case TemplateChanged() | NumberChanged() | AccountChanged():
                self.about_accounts.append(fact)
            case AgentPresenceChanged():
                self.presence.append(fact)
                self.saw_desktop(fact.agent_id, record.at)
            case MailEvent():
                self.mail_events.append(fact)
            case Notice():
                if fact.field != WEBHOOK_NOTICE:
                    self.notices.append(fact)
            case _:
                self.items.append(FactItem.of(record, fact))
                if isinstance(fact, AgentFact):
                    self.saw_desktop(fact.agent_id, record.at)

    @property
    def agents(self) -> set[str]:
        """The agents whose presence changes."""
        return {*self.desktops_seen, *(fact.agent_id for fact in self.presence)}

    def saw_desktop(self, agent: str, at: datetime) -> None:
        self.desktops_seen[agent] = max(at, self.desktops_seen.get(agent, at))


class Conversations:
    """The handler of the inbound topic and of the unreadable topic. `policy`: how long agents have to answer, and how
    conversations are transferred whose customer was promised to somebody; `sending`: whether numbers may say anything
    by themselves, by default not; `answers`: for how long a turn answers a campaign."""

    def __init__(
        self,
        topics: Topics,
        policy: RoutingPolicy | None = None,
        sending: SendingPolicy | None = None,
        answers: AnswerTerms | None = None,
    ) -> None:
        self._topics = topics
        self._policy = policy or RoutingPolicy()
        self._sending = sending or SendingPolicy()
        self._directories = directory.DirectoryCache()
        self._answers = answers or AnswerTerms()
        self._heard: dict[str, float] = {}
        self._sightings = SightingNotes()
        self._campaigns_known_until = 0.0
        self._campaigns_may_be_answered = False

    def apply(self, connection: Connection[Any], records: Sequence[IncomingRecord]) -> Leftover:
        """Processes the records. Returns those that cannot be read, and those that name an unknown conversation. Raises
        Poison, RetryBatch, psycopg errors."""
        current = self._directories.lock_shared(connection)
        batch = self._sort(connection, records, current)
        _take_out_early(connection, batch)
        with self._unit_of_work(connection, batch, current) as work:
            work.traces = batch.traces
            apply_mail_events(work, batch.mail_events)
            self._note_heard(connection, batch)
            self._note_inbound(connection, batch)
            self._sightings.note(connection, batch.sightings)
            work.sends = changed_by_statuses(connection, self._topics, batch.statuses)
            work.presence, work.desktops_seen = batch.presence, batch.desktops_seen
            work.statuses, work.notices = batch.statuses, batch.notices
            work.about_accounts = batch.about_accounts
            work.opt_outs = OptOutChanges(connection, self._topics)
            work.opt_outs.add(map(of_preference, batch.preferences))
            words = changes_by_words(work.new_turns(), current)
            work.opt_outs.add(words)
            again = {item.fact.id for item in batch.items if item.record.again}
            turns = [(turn, of) for turn, of in work.new_turns() if turn.id not in again]
            changing = {change.id for change in work.opt_outs.changing(words)}
            work.requested = texts_due(connection, turns, current, self._sending, changing)
            if work.answers is not None:
                work.answers.count(work.written_turns())
        for fact in work.waiting():
            _WAITING.labels(fact.kind).inc()
        return batch.leftover

    def _may_be_answered(self, connection: Connection[Any]) -> bool:
        """Returns whether there are campaigns that customers may answer. Looked up every few seconds: a campaign is
        created long before anybody can answer it."""
        now = monotonic()
        if now >= self._campaigns_known_until:
            self._campaigns_may_be_answered = may_come(connection, self._answers.within)
            self._campaigns_known_until = now + _CAMPAIGN_SECONDS
        return self._campaigns_may_be_answered

    def _note_heard(self, connection: Connection[Any], batch: _Batch) -> None:
        """Notes which numbers Meta's webhooks bring something about, as far as something is sent from them."""
        numbers = {status.phone_number_id for status in batch.statuses}
        numbers.update(item.fact.phone_number_id for item in batch.items if isinstance(item.fact, CustomerTurn))
        now = monotonic()
        if due := {number for number in numbers if now >= self._heard.get(number, now)}:
            self._heard |= dict.fromkeys(note_heard(connection, due), now + _HEARD_SECONDS)

    def _note_inbound(self, connection: Connection[Any], batch: _Batch) -> None:
        """Notes how many messages have just come in to numbers that something is sent from. What waited to be processed
        says nothing about now."""
        since = utc_now() - timedelta(seconds=MEAN_SECONDS)
        arrived: dict[tuple[str, int], int] = {}
        for fact, record in ((item.fact, item.record) for item in batch.items if isinstance(item.fact, CustomerTurn)):
            if record.at > since and fact.phone_number_id in self._heard:
                key = fact.phone_number_id, record.partition
                arrived[key] = arrived.get(key, 0) + 1
        note_inbound(connection, arrived)

    def _sort(self, connection: Connection[Any], records: Sequence[IncomingRecord], current: Directory) -> _Batch:
        batch, read = _Batch(), list[ReadFact]()
        for record in records:
            if record.topic == self._topics.unreadable:
                batch.leftover.dead_letters.append(_unreadable(record))
                continue
            try:
                read.append((record, _with_known_agent(read_fact(record.value, record.at), current)))
            except Exception as error:  # whatever reading one record leads to is that record's fault alone
                batch.leftover.dead_letters.append(dead_letter(record, why_unreadable(error)))
        for record, fact in without_forgotten(connection, read, current):
            batch.add(record, fact)
        return batch

    def _unit_of_work(self, connection: Connection[Any], batch: _Batch, current: Directory) -> UnitOfWork:
        """Returns the unit of work with all new facts folded in."""
        items = batch.items
        histories = CustomerHistories(connection)
        customers, locked, index = lock_customers(Customers(connection), items)
        new, messages = _without_repeats(zip(items, customers, strict=True))
        events = {id_ for (id_, _), (item, _) in new.items() if isinstance(item.fact, _EVENTS)}
        stored = {
            key: known
            for key, known in histories.stored_facts(new, messages | events).items()
            if known.sent_at == key[1] or key[0] in messages or known.is_copy_of(new[key][0].fact)
        }
        earlier = {
            key: new[key]
            for key, known in stored.items()
            if known.sent_at == key[1] and new[key][0].fact.arrival < known.arrival
        }
        of_customer: dict[CustomerId, tuple[str, list[FactItem]]] = {}
        for key, (item, of) in new.items():
            if key not in stored or key in earlier:
                of_customer.setdefault(of.customer, (of.number, []))[1].append(item)
        requests = _requests(of_customer, index)
        reordered = {known.conversation for key in earlier if (known := stored[key]).conversation is not None}
        changed, changes = _changes(connection, (item.fact for item, _ in new.values()))
        edited = histories.conversations_with(changed) if changed else set()
        loaded = histories.load(requests, locked, named_in(items) | reordered | edited)
        loaded = {c: h._replace(changes=as_mapping(changes, h.phone_number_id)) for c, h in loaded.items()}
        work = UnitOfWork(connection, self._topics.conversations, loaded, current, self._policy.answer)
        work.called = index.called
        if items:
            now = max(item.record.at for item in items)
            work.wishes = WishChanges(
                connection, self._topics, locked.root_of, index.merged, current, self._policy, now
            )
            if self._may_be_answered(connection):
                facts = ((of.customer, of.number, item.fact) for item, of in new.values())
                work.answers = AnswerChanges(connection, self._answers, facts)
            work.wishes.prepare(
                ((of.customer, item.fact) for item, of in new.values()),
                batch.agents,
                work.answers.promised if work.answers is not None else (),
            )
        if index.lost:
            reports = [item for item in items if isinstance(item.fact, CustomerIdentityChanged)]
            cause = Cause(tuple(item.fact.id for item in reports), "meta")
            hand_over(work, index, cause, max(item.record.at for item in reports))
        for customer, (_, its) in of_customer.items():
            _fold(work, [item for item in its if _key(item) not in stored], customer, self._topics.inbound)
        for key, (item, of) in earlier.items():
            work.arrived_earlier(of.customer, item.fact, stored[key].conversation, item.record.at)
        work.settle()
        return work


def _key(item: FactItem) -> FactKey:
    return item.fact.id, item.fact.sent_at


def _spans(items: Iterable[FactItem]) -> list[Span]:
    """Returns when facts that wait may find their conversation through these."""
    return [span for item in items if (span := adoptable_span(item.fact)) is not None]


_New = dict[FactKey, tuple[FactItem, FactCustomer]]


def _without_repeats(found: Iterable[tuple[FactItem, FactCustomer]]) -> tuple[_New, set[UUID]]:
    """Returns the facts of a batch, each once, and the ids of those that are WhatsApp messages. Of several copies the
    earliest arrival counts."""
    each = [*found]
    times = collections.Counter(item.fact.id for item, _ in each)
    first: dict[object, tuple[FactItem, FactCustomer]] = {}
    for item, of in each:
        key = _what(item.fact) if times[item.fact.id] > 1 else item.fact.id
        if key not in first or item.fact.arrival < first[key][0].fact.arrival:
            first[key] = (item, of)
    new = {_key(item): (item, of) for item, of in first.values()}
    return new, {item.fact.id for item, _ in first.values() if isinstance(item.fact, _MESSAGES)}


def _what(fact: ConversationFact) -> object:
    """Returns the same for all copies of a fact."""
    if isinstance(fact, _MESSAGES):
        return fact.id
    if isinstance(fact, _EVENTS):
        return fact.id, fact.model_dump_json(exclude={"at", "sent_at", "arrival"})
    return fact.id, fact.sent_at


def _changes(
    connection: Connection[Any], facts: Iterable[ConversationFact]
) -> tuple[list[FactId], dict[MessageKey, MessageChange]]:
    """Returns the ids of the messages that facts edit or delete, and what is known about changes of these messages and
    of those in hand. A message of ours may be reported as failed on another partition before it is processed here."""
    messages: set[MessageKey] = set()
    changed: list[FactId] = []
    for fact in facts:
        if isinstance(fact, CustomerTurn | AgentMessage) and fact.wamid is not None:
            if fact.phone_number_id is not None:
                messages.add((fact.phone_number_id, fact.wamid))
        elif (named := change_of(fact)) is not None and fact.phone_number_id is not None:
            messages.add((fact.phone_number_id, named[0]))
            changed.append(fact_id("message", fact.phone_number_id, named[0]))
    return changed, read_changes(connection, messages)


def _take_out_early(connection: Connection[Any], batch: _Batch) -> None:
    """Moves facts that name an unknown conversation, and nothing else by which their customer is found, to what is left
    over: another partition may still bring the conversation."""
    named = {item.named for item in batch.items if item.named is not None and not item.keys}
    unknown = named - Customers(connection).of_conversations(named).keys()
    items, batch.items = batch.items, []
    for item in items:
        if item.named in unknown and not item.keys:
            record = item.record
            place = record.topic, record.partition, record.offset
            batch.leftover.early.append(EarlyRecord(*place, record.at, record.value, item.named))
        else:
            batch.items.append(item)


def _fold(work: UnitOfWork, items: Iterable[FactItem], customer: CustomerId, inbound: str) -> None:
    """Folds facts in. `now` of the rules is the time when the broker took the record, so that a backlog is judged as it
    would have been in time."""
    for item in items:
        work.fold(customer, item.fact, item.record.at, _watermark(work, item, customer, inbound))


def _watermark(work: UnitOfWork, item: FactItem, customer: CustomerId, inbound: str) -> datetime | None:
    """Returns the time by which windows are judged for a fact that names nothing but its conversation: it may have
    overtaken messages of the customer on another partition (architecture.md, P6a). None: by the fact's arrival."""
    at = item.record.at
    if item.keys or all(c.status == "closed" or c.window_ends_at > at for c in work.histories[customer].conversations):
        return None
    return min(at, inbound_watermark(work.connection, inbound))


def _requests(
    of_customer: Mapping[CustomerId, tuple[str, Sequence[FactItem]]], index: IdentityIndex
) -> list[HistoryRequest]:
    """Returns the histories that the facts need: from the first new fact of a customer on, but all of it if Meta
    reported a change, which concerns all conversations; and those of everybody who lost or got an identity."""
    since = {
        customer: _BEFORE_ALL
        if any(isinstance(item.fact, CustomerIdentityChanged) for item in items)
        else min(item.fact.at for item in items)
        for customer, (_, items) in of_customer.items()
    }
    numbers = {customer: number for customer, (number, _) in of_customer.items()}
    spans = {
        customer: [(at, _AFTER_ALL)] if at is _BEFORE_ALL else _spans(of_customer[customer][1])
        for customer, at in since.items()
    }
    if index.lost:
        first = min(ref.at for ref in index.lost.values())
        for customer, number in index.customers().items():
            since[customer] = min(first, since.get(customer, first))
            numbers[customer] = number
            spans[customer] = [(since[customer] - WINDOW, _AFTER_ALL)]
    return [HistoryRequest(customer, numbers[customer], at, spans[customer]) for customer, at in since.items()]


def _with_known_agent(fact: Fact, current: Directory) -> Fact:
    """Returns a fact of an agent with the user's id as the directory writes it."""
    match fact:
        case AgentPresenceChanged() | AgentFact():
            agent = known_name(fact.agent_id, current.users)
            return fact if agent == fact.agent_id else fact.model_copy(update={"agent_id": agent})
        case _:
            return fact


def _unreadable(record: IncomingRecord) -> DeadLetter:
    return DeadLetter(
        "unreadable",
        _header(record, SOURCE_HEADER, "whatsapp"),
        _header(record, REASON_HEADER, "unreadable"),
        record.at,
        record.value,
        record.topic,
        record.partition,
        record.offset,
    )


def _header(record: IncomingRecord, name: str, default: str) -> str:
    """Returns a header as PostgreSQL can store it: without NUL, and not too long."""
    return record.headers.get(name, default).replace("\x00", "")[:1000]
