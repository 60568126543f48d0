"""Folds one fact into the conversations between a customer and a business number.

`fold(history, fact, directory, now) -> FoldResult` and `expire(history, directory, now) -> FoldResult` are pure. A
customer history is what the rules need of one customer: the conversations around the new facts, and the facts that
wait for a conversation. The caller holds the customer's lock and stores what the result says: conversations, where each
fact belongs, public events.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.conversations.claims import first_candidate
from domain.conversations.classification import Classification, classify, ended, latest
from domain.conversations.conversation import (
    Conversation,
    Decision,
    Decisions,
    Evidence,
    FactRef,
    Owner,
    Route,
    fact_ref,
)
from domain.conversations.events import PublicEvent, event_names
from domain.conversations.evidence import add_fact, route_of, with_change
from domain.conversations.message_changes import MessageChange, change_of
from domain.conversations.window import (
    DEFAULT_ANSWER,
    SAME_MESSAGE,
    WINDOW,
    AnswerPolicy,
    answer_by,
    home_of_end,
    home_of_other,
    home_of_turn,
    reservation_end,
)
from domain.directory import Directory, Number
from domain.facts import (
    AgentAccepted,
    AgentClosed,
    AgentDeclined,
    AgentMessage,
    BotSessionEnded,
    ConversationFact,
    CustomerIdentityChanged,
    CustomerSignal,
    CustomerTurn,
    HumanEcho,
    Party,
    ThreadControlPassed,
)
from domain.ids import ConversationId, CustomerId, FactId, conversation_id, fact_id

_BY_PEOPLE = (HumanEcho, AgentAccepted, AgentMessage)
_OF_AGENTS = (AgentAccepted, AgentMessage, AgentDeclined, AgentClosed)


class CustomerHistory(NamedTuple):
    """One customer and one number. `conversations`: those opened after the earliest new fact, and the one before.
    `waiting`: facts that no conversation covers yet. `changes`: what the customer did to their messages afterwards, by
    wamid."""

    customer_id: CustomerId
    phone_number_id: str
    conversations: tuple[Conversation, ...] = ()
    waiting: tuple[ConversationFact, ...] = ()
    changes: Mapping[str, MessageChange] = {}


class FactPlacement(NamedTuple):
    """A fact and the conversation it now belongs to; None: it waits with the customer."""

    fact: ConversationFact
    conversation: ConversationId | None


class FoldResult(NamedTuple):
    """The effect of a fact: the history afterwards, where facts were placed (the new one first), and the public
    events. `cut`: conversations whose end moved to an earlier time; if they hold facts from then on, see `settle`.
    `rechosen`: conversations whose facts shall be placed again in any case, because an edit made or changed a
    choice."""

    history: CustomerHistory
    placements: tuple[FactPlacement, ...]
    events: tuple[PublicEvent, ...]
    cut: tuple[ConversationId, ...] = ()
    rechosen: tuple[ConversationId, ...] = ()


class Cause(NamedTuple):
    """The cause of a change, as published in events: facts or commands, and the actor."""

    facts: tuple[FactId, ...]
    actor: str


Called = Callable[[ConversationFact], Party | None]
"""Returns the ids by which the customer of a fact is reached now (`IdentityIndex.called`)."""


def as_named(fact: ConversationFact) -> Party | None:
    """Returns the ids of a fact's customer, where Meta reported no later ones."""
    return fact.becomes if isinstance(fact, CustomerIdentityChanged) else fact.customer


def fold(
    history: CustomerHistory,
    fact: ConversationFact,
    directory: Directory,
    now: datetime,
    watermark: datetime | None = None,
    policy: AnswerPolicy = DEFAULT_ANSWER,
    called: Called = as_named,
    taken_from: CustomerId | None = None,
) -> FoldResult:
    """Folds in a fact that was not seen before. `now`: when the fact reached us (aware UTC). `watermark`: the time by
    which windows are judged, if that is not `now`. `taken_from`: the customer to whom the fact seemed to belong, until
    Meta reported that it is this one's. Raises OverflowError for times at the edge of the calendar, nothing else."""
    state = _Fold(history, directory, now, watermark, policy, called)
    state.taken_from = taken_from
    state.take(fact)
    return state.result(Cause((fact.id,), _actor(fact)))


def decide(
    history: CustomerHistory,
    conversation: ConversationId,
    decisions: Decisions,
    cause: Cause,
    directory: Directory,
    now: datetime,
    watermark: datetime | None = None,
) -> FoldResult:
    """Applies a decision that no outside fact led to: a transfer, an offer, its end (`domain.routing.transfers`).
    `now` and `watermark`: as for `fold`."""
    state = _Fold(history, directory, now, watermark)
    state.decide(conversation, decisions)
    return state.result(cause)


def settle(
    history: CustomerHistory,
    conversation: ConversationId,
    facts: Iterable[ConversationFact],
    directory: Directory,
    now: datetime,
    policy: AnswerPolicy = DEFAULT_ANSWER,
    called: Called = as_named,
) -> FoldResult:
    """Places all facts of a conversation again after its end moved to an earlier time: for example, a human's answer
    after the new end belongs to the conversation that begins there. Evidence cannot be subtracted, so it is collected
    again from the facts."""
    state = _Fold(history, directory, now, policy=policy, called=called)
    ordered = sorted(facts, key=fact_ref)
    state.settle(conversation, ordered)
    return state.result(Cause((ordered[-1].id,), _actor(ordered[-1])))


def lose_facts(
    history: CustomerHistory,
    conversation: ConversationId,
    kept: Iterable[ConversationFact],
    lost: Collection[FactId],
    cause: Cause,
    directory: Directory,
    now: datetime,
    policy: AnswerPolicy = DEFAULT_ANSWER,
    called: Called = as_named,
) -> FoldResult:
    """Leaves only the `kept` facts in a conversation: those `lost` belong to another customer, as Meta reported later.
    What was decided about the conversation stays, unless one of the lost facts decided it."""
    state = _Fold(history, directory, now, policy=policy, called=called)
    ordered = sorted(kept, key=fact_ref)
    state.forget(conversation, lost, next((fact.at for fact in ordered if isinstance(fact, CustomerTurn)), None))
    state.settle(conversation, ordered)
    state.tell_change_of_customer(conversation)
    return state.result(cause)


def take_over(
    history: CustomerHistory,
    conversation: Conversation,
    customer: CustomerId,
    cause: Cause,
    directory: Directory,
    now: datetime,
    policy: AnswerPolicy = DEFAULT_ANSWER,
) -> FoldResult:
    """Adds another customer's conversation to a history: all its turns belong to this customer, as Meta reported later.
    `customer`: the id under which it stands beside the customer's own conversations, as if they had been joined. What
    was decided about it stays."""
    state = _Fold(history, directory, now, policy=policy)
    state.add(conversation, conversation._replace(customer_id=customer))
    state.tell_change_of_customer(conversation.id)
    return state.result(cause)


def expire(history: CustomerHistory, directory: Directory, now: datetime) -> FoldResult:
    """Closes conversations that are over at `now`. Changes nothing else; a second call changes nothing."""
    return _Fold(history, directory, now).result(None)


class _Fold:
    """The working state of one fold."""

    def __init__(
        self,
        history: CustomerHistory,
        directory: Directory,
        now: datetime,
        watermark: datetime | None = None,
        policy: AnswerPolicy = DEFAULT_ANSWER,
        called: Called = as_named,
    ) -> None:
        self._history = history
        self._called = called
        self._new_customer: set[ConversationId] = set()
        self.taken_from: CustomerId | None = None
        self._directory = directory
        self._number: Number = directory.number(history.phone_number_id)
        self._now = now
        self._watermark = watermark or now
        self._policy = policy
        # the current state; `_before` holds the originals at the same indexes
        self._conversations = list(history.conversations)
        self._before: list[Conversation | None] = list(history.conversations)
        self._waiting = history.waiting
        self._placements: list[FactPlacement] = []
        self._cut: list[ConversationId] = []
        self._settling = False
        # conversations that an agent accepted although another one has them
        self._contested: set[ConversationId] = set()
        self._changes = history.changes
        self._rechosen: list[ConversationId] = []

    def take(self, fact: ConversationFact) -> None:
        home: Conversation | None
        if (change := change_of(fact)) is not None:
            self._change(*change, fact)
        if isinstance(fact, CustomerTurn | CustomerSignal) and self._is_message(fact):
            home = home_of_turn(self._conversations, fact_ref(fact)) or self._open(fact)
        else:
            home = self._home(fact) or self._open_after_handover(fact)
        if home is None:
            self._waiting = (*self._waiting, fact)
            self._placements.append(FactPlacement(fact, None))
        else:
            self._join(home, fact)
            self._adopt()
        if isinstance(fact, CustomerIdentityChanged):
            self._rename(fact)

    def _rename(self, fact: CustomerIdentityChanged) -> None:
        """Gives all conversations the new ids of the customer, except those with a later turn, which has its own."""
        party = self._called(fact)
        for conversation in list(self._conversations):
            last_turn = conversation.evidence.last_turn
            if party is not None and (last_turn is None or last_turn < fact_ref(fact)):
                wa_id, user_id = party.wa_id or conversation.wa_id, party.user_id or conversation.user_id
                self._swap(conversation, conversation._replace(wa_id=wa_id, user_id=user_id))

    def settle(self, conversation: ConversationId, facts: Sequence[ConversationFact]) -> None:
        cut = self._named(conversation)
        assert cut is not None
        self._swap(cut, cut._replace(evidence=Evidence(), entries=0))
        self._settling = True
        for fact in facts:
            self.take(fact)
        self._settling = False
        self._cut = [c for c in self._cut if c != conversation]  # taken in order, its window only grew
        self._rechosen.clear()

    def forget(self, conversation: ConversationId, lost: Collection[FactId], opened_at: datetime | None) -> None:
        """Forgets the decision that one of the `lost` facts led to. `opened_at`: the first turn of those that stay."""
        known = self._named(conversation)
        assert known is not None
        because = known.decisions.because
        decisions = Decisions() if because is not None and because.fact in lost else known.decisions
        self._swap(known, known._replace(opened_at=opened_at or known.opened_at, decisions=decisions))

    def add(self, known: Conversation, changed: Conversation) -> None:
        self._before.append(known)
        self._conversations.append(changed)

    def tell_change_of_customer(self, conversation: ConversationId) -> None:
        self._new_customer.add(conversation)

    def decide(self, conversation: ConversationId, decisions: Decisions) -> None:
        decided = self._named(conversation)
        assert decided is not None
        self._swap(decided, decided._replace(decisions=decisions))

    def result(self, cause: Cause | None) -> FoldResult:
        """Classifies conversations that changed or may be over, and adds their public events. `cause` None: the
        clock."""
        events: list[PublicEvent] = []
        for known, conversation in sorted(zip(self._before, self._conversations, strict=True), key=_opened_at):
            if conversation is not known or conversation.status == "active":
                events += self._classified(known, conversation, cause)
        self._conversations.sort(key=lambda c: c.opened_at)
        conversations = tuple(self._conversations)
        history = self._history._replace(conversations=conversations, waiting=self._waiting, changes=self._changes)
        return FoldResult(history, tuple(self._placements), tuple(events), tuple(self._cut), tuple(self._rechosen))

    def _classified(
        self, known: Conversation | None, conversation: Conversation, cause: Cause | None
    ) -> list[PublicEvent]:
        """Stores the classification of a conversation and returns the events that this leads to. `known`: as before the
        fold."""
        classification = self._classify(conversation)
        decisions = conversation.decisions
        if decisions.owner is not None and (
            classification.status == "closed" or (classification.managed and decisions.owner.state != "accepted")
        ):
            # over, or answered by another person than the owner: it must not be offered any more
            decisions = decisions._replace(owner=None, queued_at=None)
        if decisions.owner is not None and decisions.owner.state == "accepted":
            until = None if classification.managed else self._answer_by(conversation)
            if until != decisions.owner.until:
                decisions = decisions._replace(owner=decisions.owner._replace(until=until))
        decided = (_owner_key(decisions.owner), classification.status, classification.managed)
        new_version = known is None or decided != (_owner_key(known.owner), known.status, known.managed)
        after = conversation._replace(
            decisions=decisions,
            status=classification.status,
            closed_at=classification.closed_at,
            managed=classification.managed,
            reason=classification.reason,
            because=classification.because,
            version=conversation.version + new_version,
        )
        events: list[PublicEvent] = []
        if cause is None or _is_over(known, after):  # the clock ends a window, whichever process notices
            last_turn = after.evidence.last_turn
            cause = Cause((last_turn.fact,) if last_turn else (), "clock")
        contested = conversation.id in self._contested and after.status == "active"
        customer_changed = conversation.id in self._new_customer or (known is not None and _is_renamed(known, after))
        # most facts change nothing public
        published = new_version or after.reason is not conversation.reason or contested or customer_changed
        for event in event_names(known, after, contested, customer_changed) if published else ():
            after = after._replace(sequence=after.sequence + 1)
            facts = after.because if event == "became_unmanaged" else cause.facts
            events.append(PublicEvent(after, event, self._now, facts, cause.actor))
        self._swap(conversation, after)
        return events

    def _answer_by(self, conversation: Conversation) -> datetime | None:
        accepted = conversation.decisions.because
        return None if accepted is None else answer_by(accepted.at, conversation.window_ends_at, self._policy)

    def _swap(self, old: Conversation, new: Conversation) -> None:
        for place, conversation in enumerate(self._conversations):
            if conversation is old:
                self._conversations[place] = new
                return

    # which conversation a fact belongs to

    def _home(self, fact: ConversationFact) -> Conversation | None:
        if isinstance(fact, _OF_AGENTS) and fact.conversation_id is not None:
            named = self._named(ConversationId(fact.conversation_id))
            if named is not None:
                return named
        if isinstance(fact, AgentClosed | BotSessionEnded):
            return home_of_end(self._conversations, fact.at)
        return home_of_other(self._conversations, fact.at, human=isinstance(fact, _BY_PEOPLE))

    def _named(self, conversation: ConversationId) -> Conversation | None:
        return next((c for c in self._conversations if c.id == conversation), None)

    def _is_message(self, fact: CustomerTurn | CustomerSignal) -> bool:
        """Returns whether the customer said something: a turn, or a message that WhatsApp did not pass on. One without
        a kind may also be an edit or a deletion: it is a message if the customer sent nothing that it could refer
        to."""
        if isinstance(fact, CustomerTurn) or fact.unreadable is None:
            return isinstance(fact, CustomerTurn)
        since = fact.at - SAME_MESSAGE
        return fact.unreadable == "content" or not any(
            since <= at <= fact.at for c in self._conversations for at in _messages_at(c)
        )

    def _open(self, turn: CustomerTurn | CustomerSignal) -> Conversation:
        earlier = [c for c in self._conversations if c.opened_at < turn.at]
        previous = max(earlier, key=lambda c: c.opened_at, default=None)
        opened_at, cause = turn.at, turn.id if self.taken_from is None else _opened_again(turn.id, self.taken_from)
        while any(c.opened_at == opened_at for c in self._conversations):
            opened_at += timedelta(microseconds=1)  # the bot ended the one before in the same second
        while any(c.id == conversation_id(turn.at, cause) for c in self._conversations):
            cause = fact_id("opened", str(cause))  # the one that this message opened first has earlier messages by now
        opened = Conversation(
            id=conversation_id(turn.at, cause),
            customer_id=self._history.customer_id,
            phone_number_id=self._history.phone_number_id,
            opened_at=opened_at,
            window_ends_at=turn.at + WINDOW,
            previous=previous.id if previous else None,
            group_id=turn.customer.group_id,
        )
        self._conversations.append(opened)
        self._before.append(None)
        return opened

    def _open_after_handover(self, fact: ConversationFact) -> Conversation | None:
        """Opens a conversation when Meta's AI has given up on a customer: with the customer's last turn to the AI, if
        it is at most a window old. Turn and hand-over may arrive in either order; the first waits for the other."""
        if not isinstance(fact, ThreadControlPassed) and not (isinstance(fact, CustomerSignal) and fact.standby_turn):
            return None  # those that wait were looked at when they came
        facts = [fact, *self._waiting]
        handovers = [f for f in facts if isinstance(f, ThreadControlPassed)]
        given_up = [
            f
            for f in facts
            if isinstance(f, CustomerSignal) and f.standby_turn and any(f.at <= h.at < f.at + WINDOW for h in handovers)
        ]
        if not given_up:
            return None
        last = max(given_up, key=fact_ref)
        turn = CustomerTurn.model_construct(**{**dict(last), "kind": "customer_turn"})
        home = home_of_turn(self._conversations, fact_ref(turn)) or self._open(turn)
        self._swap(home, self._with(home, turn)._replace(entries=home.entries))
        return self._home(fact)

    # the effect of a fact

    def _join(self, home: Conversation, fact: ConversationFact) -> None:
        changed = self._with(home, fact)
        decisions = self._decide(changed, fact)
        if decisions is not changed.decisions:
            changed = changed._replace(decisions=decisions)
        self._swap(home, changed)
        self._placements.append(FactPlacement(fact, changed.id))

    def _with(self, home: Conversation, fact: ConversationFact) -> Conversation:
        """Returns the conversation with one more entry and its evidence."""
        evidence = add_fact(home.evidence, fact, self._number, self._directory, self._change_to(fact))
        wa_id, user_id = _ids(home, evidence, fact, self._called(fact))
        if not isinstance(fact, CustomerTurn) and evidence.unreadable is home.evidence.unreadable:
            return home._replace(entries=home.entries + 1, evidence=evidence, wa_id=wa_id, user_id=user_id)
        opened_at, window_ends_at = self._span(home, fact.at, evidence)
        return home._replace(
            entries=home.entries + 1,
            evidence=evidence,
            wa_id=wa_id,
            user_id=user_id,
            opened_at=opened_at,
            window_ends_at=window_ends_at,
            decisions=_reserved_until(home.decisions, window_ends_at),
        )

    def _change(self, wamid: str, change: MessageChange, fact: ConversationFact) -> None:
        """Applies an edit or a deletion to the message that it names, in whichever conversation that is."""
        change = change.merged(self._changes.get(wamid))
        self._changes = {**self._changes, wamid: change}
        message = fact_id("message", self._history.phone_number_id, wamid)
        for known in list(self._conversations):
            evidence = with_change(known.evidence, message, change)
            if evidence is not known.evidence:
                self._swap(known, known._replace(evidence=evidence))
        edited = CustomerTurn.model_construct(at=fact.at, arrival=fact.arrival, id=fact.id, text=change.text)
        if isinstance(route_of(edited, self._number, self._directory), Route):
            self._rechosen += [c.id for c in self._conversations]

    def _change_to(self, fact: ConversationFact) -> MessageChange | None:
        return self._changes.get(fact.wamid) if self._changes and isinstance(fact, CustomerTurn) else None

    def _span(self, home: Conversation, at: datetime, evidence: Evidence) -> tuple[datetime, datetime]:
        """Returns opening and end of the window after one more message. The last turn decides the end; without any
        turn, the first message that WhatsApp did not pass on. Spans of a customer never overlap: one ends where the
        next begins."""
        begins = evidence.last_turn or evidence.unreadable
        assert begins is not None
        is_of_same_second = at == home.opened_at.replace(microsecond=0)
        opened_at = home.opened_at if is_of_same_second else min(home.opened_at, at)
        window_ends_at = begins.at + WINDOW
        if window_ends_at < home.window_ends_at:
            self._cut.append(home.id)
        for other in list(self._conversations):
            if other is home or other.customer_id != home.customer_id:
                continue
            if other.opened_at > home.opened_at:
                window_ends_at = min(window_ends_at, other.opened_at)
            elif other.opened_at < opened_at < other.window_ends_at:
                self._swap(other, other._replace(window_ends_at=opened_at))
                self._cut.append(other.id)
        return opened_at, window_ends_at

    def _classify(self, conversation: Conversation) -> Classification:
        """Classifies a conversation at the watermark. A later conversation of the same customer ends it; conversations
        of joined identities stay beside each other. A conversation that was published as closed at its window's end
        stays closed, also for a fact that reached us earlier on another partition: only a window that moved reopens
        it."""
        followed = len(self._conversations) > 1 and any(
            c.opened_at > conversation.opened_at and c.customer_id == conversation.customer_id
            for c in self._conversations
        )
        now, published = self._watermark, conversation.closed_at
        if published is not None and published >= conversation.window_ends_at:
            now = max(now, published)
        return classify(conversation, followed, self._number, now)

    def _adopt(self) -> None:
        """Places waiting facts that a conversation covers now, in their order."""
        if not self._waiting:
            return
        still_waiting = []
        for fact in sorted(self._waiting, key=fact_ref):
            home = self._home(fact)
            if home is None:
                still_waiting.append(fact)
            else:
                self._join(home, fact)
        self._waiting = tuple(still_waiting)

    # decisions that a fact leads to

    def _decide(self, conversation: Conversation, fact: ConversationFact) -> Decisions:
        """Returns the decisions after a fact. A choice queues the conversation for its skillset; an agent who accepts
        or writes becomes the owner, unless another one has it (`claims`); declining ends the offer now, and routing
        continues from there."""
        decisions, evidence = conversation.decisions, conversation.evidence
        if not isinstance(fact, _OF_AGENTS) and evidence.route is None and not evidence.claims:
            return decisions
        decided = self._decided(conversation, fact)
        return decisions if decided is decisions or self._classify(conversation).status == "closed" else decided

    def _decided(self, conversation: Conversation, fact: ConversationFact) -> Decisions:
        if isinstance(fact, AgentDeclined):
            return self._declined(conversation.decisions, fact)
        return self._taken(conversation, fact) or self._routed(conversation, fact)

    def _declined(self, decisions: Decisions, fact: AgentDeclined) -> Decisions:
        owner = decisions.owner
        if owner is None or owner.id != fact.agent_id or owner.state != "assigned":
            return decisions
        return decisions._replace(owner=owner._replace(until=self._now), last="declined", because=fact_ref(fact))

    def _taken(self, conversation: Conversation, fact: ConversationFact) -> Decisions | None:
        """Returns the decisions if an agent has the conversation; None: none has it."""
        decisions, owner = conversation.decisions, conversation.owner
        offered_to = owner.id if owner is not None and owner.state == "assigned" else decisions.offered_to
        new = fact if isinstance(fact, AgentAccepted | AgentMessage) and not self._settling else None
        first = first_candidate(conversation, offered_to, None if new is None else (new.agent_id, fact_ref(new)))
        if first is None:
            return None
        if isinstance(new, AgentAccepted) and new.agent_id != first.agent:
            self._contested.add(conversation.id)
        accepted = Owner("user", first.agent, "accepted")
        if owner is not None and owner._replace(until=None) == accepted and decisions.because == first.ref:
            return decisions
        return _owned(decisions, accepted, "accepted", first.ref)._replace(offered_to=offered_to)

    def _routed(self, conversation: Conversation, fact: ConversationFact) -> Decisions:
        decisions, first = conversation.decisions, conversation.evidence.route
        if first is None:
            return decisions
        requested: Route | None = None
        if decisions.last in (None, "routed"):
            # the first choice by event time counts; an earlier one that comes late re-routes while it is still queued
            queued_for = decisions.owner.id if decisions.owner else None
            requested = first if queued_for != first.skillset else None
        elif decisions.owner is None and decisions.because is not None:
            # released by a person: only a new choice routes it again
            asked = route_of(fact, self._number, self._directory, self._change_to(fact))
            requested = asked if isinstance(asked, Route) and latest(asked.ref.at) > decisions.because.at else None
        if requested is None:
            return decisions
        owner = Owner("skillset", requested.skillset, "queued")
        return _owned(decisions, owner, "routed", requested.ref)._replace(queued_at=requested.ref.at)


def _messages_at(conversation: Conversation) -> Iterator[datetime]:
    """Yields the times of the first and the last messages of a conversation."""
    evidence = conversation.evidence
    only = None if evidence.last_turn else evidence.unreadable
    yield from (ref.at for ref in (evidence.first_turn, evidence.last_message, only) if ref is not None)


def _owned(decisions: Decisions, owner: Owner, decision: Decision, ref: FactRef) -> Decisions:
    first = ref if decisions.first_owned is None else min(decisions.first_owned, ref)
    return decisions._replace(owner=owner, queued_at=None, first_owned=first, last=decision, because=ref)


def _reserved_until(decisions: Decisions, window_ends_at: datetime) -> Decisions:
    """Moves the end of a reservation with the window, also while it is being offered: it may return to waiting."""
    if decisions.reserved_to is None:
        return decisions
    until = reservation_end(decisions.reserved_to, window_ends_at)
    owner, waits = (
        each._replace(until=until) if each is not None and each.state == "reserved" else each
        for each in (decisions.owner, decisions.returns_to)
    )
    return decisions._replace(owner=owner, returns_to=waits)


def _is_over(known: Conversation | None, after: Conversation) -> bool:
    """Returns whether the end of its window closed it now."""
    return known is not None and known.status == "active" and after.status == "closed" and ended(after) is None


def _opened_again(fact: FactId, customer: CustomerId) -> FactId:
    """Returns the cause of a conversation that a fact opens a second time: the first one stays the other customer's."""
    return fact_id("taken", str(fact), str(customer))


def _is_renamed(known: Conversation, after: Conversation) -> bool:
    """Returns whether the customer has another phone or user id than before, not one more."""
    return known.wa_id not in (None, after.wa_id) or known.user_id not in (None, after.user_id)


def _owner_key(owner: Owner | None) -> tuple[object, ...] | None:
    """Returns the part of an owner that versions compare. The deadline is left out: it moves with every message."""
    return owner and (owner.kind, owner.id, owner.state)


def _ids(
    conversation: Conversation, evidence: Evidence, fact: ConversationFact, party: Party | None
) -> tuple[str | None, str | None]:
    """Returns the row's copies of the customer's phone and user id, from the last turn that held them. `party`: the ids
    by which the customer of the fact is reached now. Groups have none."""
    if party is None or isinstance(fact, CustomerIdentityChanged) or party.group_id is not None:
        return conversation.wa_id, conversation.user_id
    is_latest = evidence.last_turn == fact_ref(fact)
    wa_id, user_id = party.wa_id, party.user_id
    return (
        wa_id if wa_id and (is_latest or conversation.wa_id is None) else conversation.wa_id,
        user_id if user_id and (is_latest or conversation.user_id is None) else conversation.user_id,
    )


_ACTORS: dict[type[ConversationFact], str] = {
    CustomerTurn: "customer",
    CustomerSignal: "customer",
    HumanEcho: "app",
    ThreadControlPassed: "meta",
    CustomerIdentityChanged: "meta",
}


def _actor(fact: ConversationFact) -> str:
    if isinstance(fact, _OF_AGENTS):
        return f"agent:{fact.agent_id}"
    return _ACTORS.get(type(fact), "bot")


def _opened_at(pair: tuple[object, Conversation]) -> datetime:
    return pair[1].opened_at
