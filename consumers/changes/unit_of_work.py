"""The unit of work: everything that one transaction changes, written by one call in the one order of all writers."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from psycopg import Connection

from consumers.changes.answers import AnswerChanges, WrittenTurn, as_turn
from consumers.changes.opt_outs import OptOutChanges
from consumers.changes.public_events import public_event_record
from consumers.changes.sends import SendChanges
from consumers.changes.wishes import WishChanges
from domain.campaigns.answers import NamedCampaign, outcome_of
from domain.conversations.conversation import Conversation, Decisions
from domain.conversations.customers.contact_ids import Called, as_named
from domain.conversations.events import Cause, EventName, PublicEvent
from domain.conversations.evidence.message_changes import MessageChange, change_of
from domain.conversations.fold import decide, expire, fold, lose_facts, settle, take_over
from domain.conversations.history import CustomerHistory, FactPlacement, FoldContext, FoldResult
from domain.conversations.ownership.deadlines import DEFAULT_ANSWER, AnswerPolicy
from domain.directory import Directory
from domain.facts import (
    AccountFact,
    AgentPresenceChanged,
    ConversationFact,
    CustomerTurn,
    MessageStatus,
    Notice,
)
from domain.ids import ConversationId, CustomerId, FactId, customer_id
from domain.mail import Mail
from domain.sending.reports import is_news, reports_of
from domain.sending.sends import Send
from infra.postgres import mails
from infra.postgres.campaigns.answers import answered_in, follow_conversations, lock_recipients
from infra.postgres.connections.hints import SYNC
from infra.postgres.conversations.agents import Agents
from infra.postgres.conversations.histories import CustomerHistories, FactKey
from infra.postgres.conversations.history_writer import HandedOver, HistoryWriter
from infra.postgres.conversations.message_changes import MessageKey, as_mapping, read_changes, write_changes
from infra.postgres.conversations.statuses import write_notices, write_presence, write_statuses
from infra.postgres.media import received
from infra.postgres.messaging.command_log import AuditedRecord, audit, count_repeats
from infra.postgres.messaging.outbox import Outbox, OutboxRecord
from infra.postgres.sending.reports import write_reports
from infra.postgres.sending.sends import request


def active_histories(conversations: Iterable[Conversation]) -> dict[CustomerId, CustomerHistory]:
    """Returns histories that hold only the active conversation of each customer: enough to decide about it, but not to
    fold a fact in."""
    return {c.customer_id: CustomerHistory(c.customer_id, c.phone_number_id, (c,)) for c in conversations}


class UnitOfWork:
    """Changes of one transaction, collected in memory. Used as a context manager: leaving the block without an
    exception writes all of them (P5); nothing else writes what is collected here.

    `histories`: the histories of customers whose locks the caller holds, as loaded and then as changed. Conversations
    and their facts change through the methods; the lists below are filled by the caller. `topic`: of public events;
    `answer`: for callers that fold facts in."""

    def __init__(
        self,
        connection: Connection[Any],
        topic: str,
        histories: dict[CustomerId, CustomerHistory],
        directory: Directory,
        answer: AnswerPolicy = DEFAULT_ANSWER,
    ) -> None:
        self.connection = connection
        self.histories = histories
        self._topic = topic
        self._directory = directory
        self._answer = answer
        self._before = {c.id: c for history in histories.values() for c in history.conversations}
        # a new fact that waits and is adopted in the same batch stays new: its row is not there yet
        self._new: dict[FactKey, tuple[CustomerId, FactPlacement]] = {}
        self._adopted: dict[FactKey, FactPlacement] = {}
        self._events: list[PublicEvent] = []
        self._cut: dict[ConversationId, tuple[CustomerId, datetime]] = {}
        self._reordered: dict[ConversationId, tuple[CustomerId, datetime]] = {}
        self._arrived_earlier: dict[FactKey, ConversationFact] = {}
        self._handed_over: list[HandedOver] = []
        self._given: dict[FactKey, tuple[ConversationFact, CustomerId]] = {}
        self.called: Called = as_named
        """The ids by which the customer of a fact is reached now."""
        # what else changes, in the order in which it is written
        self.mails: dict[UUID, Mail] = {}
        self.mail_pause = timedelta()
        """Until mails that are due again may be sent."""
        self.mail_log: list[tuple[UUID, mails.MailLogEntry]] = []
        self.wishes: WishChanges | None = None
        self.answers: AnswerChanges | None = None
        """What customers answer to campaigns; None: there are none, or no turn came."""
        self.sends: SendChanges | None = None
        self.requested: list[Send] = []
        """New sends of the numbers themselves."""
        self.assigned: list[str] = []
        """Agents who were assigned a conversation."""
        self.presence: list[AgentPresenceChanged] = []
        self.desktops_seen: dict[str, datetime] = {}
        """Agent -> when their desktop last sent anything."""
        self.statuses: list[MessageStatus] = []
        self.opt_outs: OptOutChanges | None = None
        self.about_accounts: list[AccountFact] = []
        self.notices: list[Notice] = []
        self.repeated_commands: list[str] = []
        self.audited: list[AuditedRecord] = []
        self.traces: dict[FactId, str] = {}
        """The steps of traces that brought these facts; empty where traces are off."""
        self.records: list[OutboxRecord] = []
        """Records for topics other than that of public events."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write()

    # conversations

    def include(self, customer: CustomerId, number: str, conversation: Conversation) -> None:
        """Adds a conversation of a locked customer, unless it is here already."""
        if conversation.id in self._before:
            return
        history = self.histories.get(customer, CustomerHistory(customer, number))
        self.histories[customer] = history._replace(conversations=(*history.conversations, conversation))
        self._before[conversation.id] = conversation

    def fold(
        self, customer: CustomerId, fact: ConversationFact, now: datetime, watermark: datetime | None = None
    ) -> None:
        """Folds in a fact that was not seen before. `watermark`: the time by which windows are judged, if that is not
        `now`. Raises OverflowError for times at the edge of the calendar."""
        history = self.histories[customer]
        context = self._context(now, watermark)
        wished = self.wishes.promise_to(customer, now, context.judged_at) if self.wishes is not None else None
        promise = wished
        if self.answers is not None and self.wishes is not None:
            of_campaign = self.answers.promise_to(customer, fact, now, context.judged_at, self.wishes.transfer_answer)
            promise = wished or of_campaign
        result = fold(history, fact, context._replace(promise=promise) if promise is not None else context)
        if self.wishes is not None and result.promise_kept_in is not None:
            if wished is not None:
                self.wishes.kept(customer, result.promise_kept_in, _assigned_in(result), now)
            else:
                self.wishes.assigned_to(_assigned_in(result))
        self._keep(customer, result, fact, now)

    def arrived_earlier(
        self, customer: CustomerId, fact: ConversationFact, conversation: ConversationId | None, now: datetime
    ) -> None:
        """Takes the arrival of a copy of a stored fact that arrived earlier than the known copies. `conversation`: the
        one that has the fact, among those of the history; None: the fact waits for one."""
        self._arrived_earlier[fact.id, fact.sent_at] = fact
        history = self.histories[customer]
        self._reordered |= {c.id: (customer, now) for c in history.conversations if c.id == conversation}
        waiting = tuple(fact if (w.id, w.sent_at) == (fact.id, fact.sent_at) else w for w in history.waiting)
        self.histories[customer] = history._replace(waiting=waiting)

    def settle(self) -> None:
        """Moves facts out of conversations that were cut short: those after the new end belong to the conversation
        that begins there. Collects again those whose facts have another order now. Called after the last fact of a
        batch."""
        stored = CustomerHistories(self.connection)
        while self._cut or self._reordered:
            reordered, self._reordered = self._reordered, {}
            cut, self._cut = self._cut, {}
            ends = {c.id: c.window_ends_at for h in self.histories.values() for c in h.conversations if c.id in cut}
            placed_late = {c for p in self._placements() if (c := p.conversation) in ends and p.fact.at >= ends[c]}
            cut |= reordered
            for conversation in stored.with_facts_from(ends) | placed_late | reordered.keys():
                customer, now = cut[conversation]
                placed = {(p.fact.id, p.fact.sent_at): p for p in self._placements()}
                facts = [
                    self._arrived_earlier.get((f.id, f.sent_at), f)
                    for f in stored.facts_of(conversation)
                    if (f.id, f.sent_at) not in placed
                ]
                facts += [p.fact for p in placed.values() if p.conversation == conversation]
                history = self._with_changes(self.histories[customer], facts)
                result = settle(history, conversation, facts, self._context(now))
                self._keep(customer, result, None, now)

    def _with_changes(self, history: CustomerHistory, facts: Iterable[ConversationFact]) -> CustomerHistory:
        """Returns the history with all that is known to have become of the messages among the facts."""
        wamids = {wamid for fact in facts if (wamid := getattr(fact, "wamid", None)) is not None} - set(history.changes)
        stored = read_changes(self.connection, {(history.phone_number_id, wamid) for wamid in wamids})
        return history._replace(changes={**as_mapping(stored, history.phone_number_id), **history.changes})

    def hand_over(
        self, conversation: Conversation, customer: CustomerId, to: CustomerId, cause: Cause, now: datetime
    ) -> None:
        """Gives one of a customer's conversations to the customer whose turns it holds, as Meta reported later."""
        if self.wishes is not None:
            self.wishes.follow(conversation.id, to, now)
        history = self.histories[customer]
        remaining = tuple(c for c in history.conversations if c.id != conversation.id)
        self.histories[customer] = history._replace(conversations=remaining)
        member = customer_id(conversation.phone_number_id, "conversation", str(conversation.id))
        self._handed_over.append(HandedOver(conversation.id, member, to))
        result = take_over(self.histories[to], conversation, member, cause, self._context(now))
        self._keep(to, result, None, now)

    def lose_facts(
        self,
        conversation: ConversationId,
        customer: CustomerId,
        kept: Iterable[ConversationFact],
        lost: Collection[FactId],
        cause: Cause,
        now: datetime,
    ) -> None:
        """Leaves only the `kept` facts in a conversation; `lost` are those of other customers."""
        history = self.histories[customer]
        result = lose_facts(history, conversation, kept, lost, cause, self._context(now))
        self._keep(customer, result, None, now)

    def give(self, customer: CustomerId, fact: ConversationFact, taken_from: CustomerId, now: datetime) -> None:
        """Folds a stored fact of another customer into the conversations of the one whose it is."""
        self._given[fact.id, fact.sent_at] = (fact, customer)
        history = self.histories[customer]
        result = fold(history, fact, self._context(now), taken_from)
        self._keep(customer, result, None, now)

    def decide(
        self,
        customer: CustomerId,
        conversation: Conversation,
        decisions: Decisions,
        cause: Cause,
        now: datetime,
        watermark: datetime,
    ) -> Conversation:
        """Applies a decision that no fact led to, and returns the conversation afterwards: it is closed, and has no
        owner, if its window is over at the inbound watermark."""
        result = decide(self.histories[customer], conversation.id, decisions, cause, self._context(now, watermark))
        self._keep(customer, result, None, now)
        return next(c for c in result.history.conversations if c.id == conversation.id)

    def expire(self, customer: CustomerId, now: datetime) -> None:
        """Closes conversations whose window is over at `now`."""
        self._keep(customer, expire(self.histories[customer], self._context(now)), None, now)

    def publish_mail_event(self, conversation: UUID, mail: Mail, name: EventName, at: datetime, cause: Cause) -> None:
        """Publishes an event about a mail in its conversation's sequence; the conversation stays as it is."""
        for customer, history in self.histories.items():
            if any(c.id == conversation for c in history.conversations):
                counted = tuple(
                    c._replace(sequence=c.sequence + 1) if c.id == conversation else c for c in history.conversations
                )
                self.histories[customer] = history._replace(conversations=counted)
                self._events += [
                    PublicEvent(c, name, at, cause.facts, cause.actor, mail) for c in counted if c.id == conversation
                ]

    def _context(self, now: datetime, watermark: datetime | None = None) -> FoldContext:
        return FoldContext(self._directory, now, watermark, self._answer, self.called)

    def _keep(self, customer: CustomerId, result: FoldResult, fact: ConversationFact | None, now: datetime) -> None:
        self.histories[customer] = result.history
        self._events += result.events
        self._cut |= dict.fromkeys(result.cut, (customer, now))
        self._reordered |= dict.fromkeys(result.rechosen, (customer, now))
        for placement in result.placements:
            key = (placement.fact.id, placement.fact.sent_at)
            if placement.fact is fact or key in self._new:
                self._new[key] = (customer, placement)
            else:
                self._adopted[key] = placement

    def _placements(self) -> Iterator[FactPlacement]:
        """Where this batch has placed facts so far."""
        yield from (placement for _, placement in self._new.values())
        yield from self._adopted.values()

    def _changes(self) -> Iterator[tuple[MessageKey, MessageChange]]:
        """What new facts do to messages, in whichever conversation these are."""
        for customer, placement in self._new.values():
            if (named := change_of(placement.fact)) is not None:
                yield (self.histories[customer].phone_number_id, named[0]), named[1]

    def waiting(self) -> Iterator[ConversationFact]:
        """The new facts that found no conversation."""
        yield from (placement.fact for _, placement in self._new.values() if placement.conversation is None)

    def new_turns(self) -> Iterator[tuple[CustomerTurn, Conversation]]:
        """The customers' new turns, each with its conversation as it is now."""
        conversations = {c.id: c for history in self.histories.values() for c in history.conversations}
        for _, placement in self._new.values():
            if isinstance(placement.fact, CustomerTurn) and placement.conversation in conversations:
                yield placement.fact, conversations[placement.conversation]

    def written_turns(self) -> Iterator[WrittenTurn]:
        """The customers' turns that this batch placed, also those that waited, each with its conversation as it is
        now."""
        conversations = {c.id: (customer, c) for customer, of in self.histories.items() for c in of.conversations}
        for placement in self._placements():
            turn = as_turn(placement.fact)
            if turn is not None and placement.conversation in conversations:
                customer, conversation = conversations[placement.conversation]
                yield WrittenTurn(customer, turn, conversation)

    # the one place that writes

    def _write(self) -> None:
        """Writes in the order of P5. In a pipeline: PostgreSQL runs one statement while the next is being built."""
        connection, histories = self.connection, HistoryWriter(self.connection)
        after = (c for history in self.histories.values() for c in history.conversations)
        changed = [(before, c) for c in after if (before := self._before.get(c.id)) is not c]
        existing = [(before, c) for before, c in changed if before is not None]
        answered = self._campaigns_answered()
        with connection.pipeline():
            mails.write(connection, self.mails.values(), self.mail_pause)
            for mail, entry in self.mail_log:
                mails.write_log(connection, mail, entry)
            if self.wishes is not None:
                self.wishes.write()
            if self.answers is not None:
                self._write_answers(self.answers)
            elif self.sends is not None:
                self.sends.write_sends()
            for send in self.requested:
                request(connection, send, timedelta())
            histories.write_handed_over(self._handed_over, self._given.values())
            histories.write_conversations([c for _, c in existing], [c for before, c in changed if before is None])
            histories.write_entries(self._new.values(), self._adopted.values())
            received.note(connection, (placement.fact for _, placement in self._new.values()))
            histories.write_arrivals(self._arrived_earlier.values())
            write_changes(connection, self._changes())
            histories.write_history(self._events)
            Outbox(connection).add(
                public_event_record(event, self._topic, answered.get(event.conversation.id, ())).traced(
                    self._trace_of(event)
                )
                for event in self._events
            )
            Agents(connection).mark_assigned([*self.assigned, *(self.wishes.assigned if self.wishes else ())])
            write_presence(connection, self.presence, self.desktops_seen)
            write_statuses(connection, self.statuses)
            if self.opt_outs is not None:
                self.opt_outs.write()
            write_reports(connection, reports_of(self.about_accounts))
            if any(map(is_news, self.about_accounts)):
                connection.execute(f"notify {SYNC}")
            write_notices(connection, self.notices)
            count_repeats(connection, self.repeated_commands)
            audit(connection, self.audited)
            Outbox(connection).add(self.records)
            histories.count([before for before, _ in existing], [c for _, c in changed])
            histories.count_dismissed([before for before, _ in existing], [c for _, c in changed])
            if self.sends is not None:
                self.sends.write_counts()
            outcomes = [(c.id, outcome_of(c)) for _, c in existing]
            follow_conversations(connection, outcomes, self.answers.moves if self.answers is not None else ())

    def _trace_of(self, event: PublicEvent) -> str | None:
        """Returns the step of a trace that led to an event; None: none is known."""
        return next((self.traces[fact] for fact in event.because if fact in self.traces), None)

    def _campaigns_answered(self) -> Mapping[UUID, Iterable[NamedCampaign]]:
        """Returns conversation -> campaigns that the customer answered in it, of those with events."""
        stored = answered_in(self.connection, {event.conversation.id for event in self._events})
        for id_, campaigns in self.answers.campaigns.items() if self.answers is not None else ():
            stored.setdefault(id_, []).extend(each for each in campaigns if each not in stored[id_])
        return stored

    def _write_answers(self, answers: AnswerChanges) -> None:
        """Writes sends and answers, which change some recipients both."""
        recipients = answers.recipients.union(self.sends.recipients if self.sends is not None else ())
        if answers.recipients:
            lock_recipients(self.connection, recipients)
        if self.sends is not None:
            self.sends.write_sends()
        answers.write()


def _assigned_in(result: FoldResult) -> str | None:
    """Returns the agent whom a kept promise offered the conversation; None: it waits for its target."""
    owner = next(c.owner for c in result.history.conversations if c.id == result.promise_kept_in)
    return owner.id if owner is not None and owner.state == "assigned" else None
