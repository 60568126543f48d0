"""The steps of one fold: a fact finds or opens its conversation, becomes evidence there, leads to decisions, and takes
facts along that waited for it. What changed is classified and published at the end."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from domain.conversations.classification import Classification, classify
from domain.conversations.conversation import Conversation, Decisions, Evidence, Route, fact_ref
from domain.conversations.customers.contact_ids import contact_ids, renamed
from domain.conversations.events import Cause, PublicEvent
from domain.conversations.evidence.choices import route_of
from domain.conversations.evidence.message_changes import MessageChange, change_of
from domain.conversations.evidence.summary import add_fact, with_change
from domain.conversations.history import CustomerHistory, FactPlacement, FoldContext, FoldResult
from domain.conversations.ownership.deadlines import reserved_within
from domain.conversations.ownership.decisions import decided_by, is_contested, may_decide
from domain.conversations.ownership.dismissals import brought_back
from domain.conversations.ownership.queueing import is_released
from domain.conversations.placement.homes import conversation_with, home_of, home_of_turn
from domain.conversations.placement.openings import is_message, opened_by, turn_to_meta_ai, turns_given_up
from domain.conversations.placement.window import span_after
from domain.conversations.publication import classified, published
from domain.facts import (
    AgentMessage,
    ConversationFact,
    CustomerIdentityChanged,
    CustomerSignal,
    CustomerTurn,
    MessageFailed,
    ThreadControlPassed,
)
from domain.ids import ConversationId, CustomerId, FactId, fact_id


class FoldState:
    """The working state of one fold. `taken_from`: as for `domain.conversations.fold.fold`."""

    def __init__(self, history: CustomerHistory, context: FoldContext, taken_from: CustomerId | None = None) -> None:
        self._history = history
        self._context = context
        self._taken_from = taken_from
        self._number = context.directory.number(history.phone_number_id)
        # the current state; `_before` holds the originals at the same indexes
        self._conversations = list(history.conversations)
        self._before: list[Conversation | None] = list(history.conversations)
        self._waiting = history.waiting
        self._changes = history.changes
        self._placements: list[FactPlacement] = []
        self._cut: list[ConversationId] = []
        self._rechosen: list[ConversationId] = []
        # the conversation that is being settled, and what its customer wrote to Meta's AI before it gave up
        self._settled: ConversationId | None = None
        self._given_up: Mapping[FactId, CustomerTurn] = {}
        # conversations that an agent accepted although another one has them
        self._contested: set[ConversationId] = set()
        self._new_customer: set[ConversationId] = set()
        # the conversation about which a promise decided, and why
        self._kept: tuple[ConversationId, Cause] | None = None

    # steps

    def take(self, fact: ConversationFact) -> None:
        """Places a fact and all that waited for it."""
        home: Conversation | None
        if (change := change_of(fact)) is not None:
            self._change(*change, fact)
        said = self._given_up.get(fact.id, fact)
        if isinstance(said, CustomerTurn | CustomerSignal) and is_message(said, self._conversations):
            home = self._home_of_turn(said) or self._open(said)
        elif (home := self._home_of(fact)) is not None:
            self._note_handover(home, fact)
        else:
            home = self._open_after_handover(fact)
        if home is None:
            self._waiting = (*self._waiting, fact)
            self._placements.append(FactPlacement(fact, None))
        else:
            self._join(home, said, fact)
            self._adopt()
        if isinstance(fact, CustomerIdentityChanged):
            self._rename(fact)

    def settle(self, conversation: ConversationId, facts: Sequence[ConversationFact]) -> None:
        """Places the facts of a conversation again, in this order."""
        cut = self._named(conversation)
        self._swap(cut, cut._replace(evidence=Evidence(), entries=0))
        self._settled, self._given_up = conversation, turns_given_up(facts)
        for fact in facts:
            self.take(fact)
        self._settled, self._given_up = None, {}
        self._cut = [c for c in self._cut if c != conversation]  # taken in order, its window only grew
        self._rechosen.clear()

    def forget(self, conversation: ConversationId, lost: Collection[FactId], opened_at: datetime | None) -> None:
        """Forgets the decision that one of the `lost` facts led to. `opened_at`: the first turn of those that stay."""
        known = self._named(conversation)
        because = known.decisions.because
        decisions = Decisions() if because is not None and because.fact in lost else known.decisions
        self._swap(known, known._replace(opened_at=opened_at or known.opened_at, decisions=decisions))

    def add(self, known: Conversation, changed: Conversation) -> None:
        """Adds a conversation of another customer. `known`: as it was there."""
        self._before.append(known)
        self._conversations.append(changed)

    def publish_change_of_customer(self, conversation: ConversationId) -> None:
        """Publishes in any case that the conversation has another customer."""
        self._new_customer.add(conversation)

    def decide(self, conversation: ConversationId, decisions: Decisions) -> None:
        """Replaces the decisions about a conversation."""
        decided = self._named(conversation)
        self._swap(decided, decided._replace(decisions=decisions))

    def result(self, cause: Cause | None) -> FoldResult:
        """Classifies conversations that changed or may be over, and adds their public events. `cause` None: the
        clock."""
        events: list[PublicEvent] = []
        for known, conversation in sorted(zip(self._before, self._conversations, strict=True), key=_opened_at):
            if conversation is not known or conversation.status == "active":
                events += self._publish(known, conversation, cause)
        self._conversations.sort(key=lambda c: c.opened_at)
        conversations = tuple(self._conversations)
        history = self._history._replace(conversations=conversations, waiting=self._waiting, changes=self._changes)
        kept = self._kept[0] if self._kept else None
        return FoldResult(
            history, tuple(self._placements), tuple(events), tuple(self._cut), tuple(self._rechosen), kept
        )

    # conversations

    def _publish(
        self, known: Conversation | None, conversation: Conversation, cause: Cause | None
    ) -> Sequence[PublicEvent]:
        """Stores the classification of a conversation and returns the events that this leads to. `known`: as before the
        fold."""
        after, events = published(
            known,
            classified(known, conversation, self._classify(conversation), self._number, self._context.answer),
            cause,
            self._context.now,
            is_contested=conversation.id in self._contested,
            is_new_customer=conversation.id in self._new_customer,
            promised=self._kept[1] if self._kept is not None and self._kept[0] == conversation.id else None,
        )
        self._swap(conversation, after)
        return events

    def _classify(self, conversation: Conversation) -> Classification:
        """Classifies a conversation at the watermark. A later conversation of the same customer ends it; conversations
        of joined identities stay beside each other. A conversation that was published as closed at its window's end
        stays closed, also for a fact that reached us earlier on another partition: only a window that moved reopens
        it."""
        followed = len(self._conversations) > 1 and any(
            c.opened_at > conversation.opened_at and c.customer_id == conversation.customer_id
            for c in self._conversations
        )
        now, closed_at = self._context.judged_at, conversation.closed_at
        if closed_at is not None and closed_at >= conversation.window_ends_at:
            now = max(now, closed_at)
        return classify(conversation, followed, self._number, now)

    def _swap(self, old: Conversation, new: Conversation) -> None:
        for place, conversation in enumerate(self._conversations):
            if conversation is old:
                self._conversations[place] = new
                return

    def _named(self, conversation: ConversationId) -> Conversation:
        known = conversation_with(conversation, self._conversations)
        assert known is not None
        return known

    # the way of a fact

    def _home_of_turn(self, turn: CustomerTurn | CustomerSignal) -> Conversation | None:
        return home_of_turn(self._own(), fact_ref(turn)) or home_of_turn(self._conversations, fact_ref(turn))

    def _home_of(self, fact: ConversationFact) -> Conversation | None:
        return home_of(fact, self._own()) or home_of(fact, self._conversations)

    def _own(self) -> Sequence[Conversation]:
        """Returns the conversations that a fact may belong to before others are considered: while one is settled, that
        one, because only what it does not cover any more belongs elsewhere."""
        if self._settled is None:
            return self._conversations
        return [c for c in self._conversations if c.id == self._settled]

    def _open(self, turn: CustomerTurn | CustomerSignal) -> Conversation:
        opened = opened_by(turn, self._conversations, self._history, self._taken_from)
        self._conversations.append(opened)
        self._before.append(None)
        return opened

    def _open_after_handover(self, fact: ConversationFact) -> Conversation | None:
        """Opens a conversation when Meta's AI has given up on a customer, with the customer's last turn to the AI."""
        turn = turn_to_meta_ai(fact, self._waiting)
        if turn is None:
            return None
        home = home_of_turn(self._conversations, fact_ref(turn)) or self._open(turn)
        changed = self._with(home, turn)._replace(entries=home.entries)
        promised = self._promised(changed, turn)
        self._swap(home, changed._replace(decisions=promised) if promised is not None else changed)
        return home_of(fact, self._conversations)

    def _note_handover(self, home: Conversation, fact: ConversationFact) -> None:
        """Makes the conversation be collected again if Meta's AI gave up on its customer: their last message to the AI
        counts as a turn from then on, after which it may be another conversation."""
        over = home.evidence.handed_over
        is_before = isinstance(fact, CustomerSignal) and fact.standby_turn and over is not None and fact.at <= over.at
        if isinstance(fact, ThreadControlPassed) or is_before:
            self._rechosen.append(home.id)

    def _join(self, home: Conversation, fact: ConversationFact, stored: ConversationFact | None = None) -> None:
        """Adds a fact to a conversation. `stored`: as which it is stored, if not as it counts."""
        changed = self._with(home, fact)
        decisions = self._promised(changed, fact) or self._decided(changed, fact)
        if decisions is not changed.decisions:
            changed = changed._replace(decisions=decisions)
        self._swap(home, changed)
        self._placements.append(FactPlacement(stored or fact, changed.id))

    def _with(self, home: Conversation, fact: ConversationFact) -> Conversation:
        """Returns the conversation with one more entry and its evidence, and without a dismissal that it ends."""
        if self._settled is None:
            home = brought_back(home, fact)
        evidence = add_fact(home.evidence, fact, self._number, self._context.directory, self._change_to(fact))
        wa_id, user_id = contact_ids(home, evidence, fact, self._context.called(fact))
        if not isinstance(fact, CustomerTurn) and evidence.unreadable is home.evidence.unreadable:
            return home._replace(entries=home.entries + 1, evidence=evidence, wa_id=wa_id, user_id=user_id)
        span = span_after(home, fact.at, evidence, self._conversations)
        if span.is_cut:
            self._cut.append(home.id)
        for other in span.overlapped:
            self._swap(other, other._replace(window_ends_at=span.opened_at))
            self._cut.append(other.id)
        return home._replace(
            entries=home.entries + 1,
            evidence=evidence,
            wa_id=wa_id,
            user_id=user_id,
            opened_at=span.opened_at,
            window_ends_at=span.window_ends_at,
            decisions=reserved_within(home.decisions, span.window_ends_at),
        )

    def _promised(self, conversation: Conversation, fact: ConversationFact) -> Decisions | None:
        """Returns the decisions that were promised for a turn that has just arrived; None: there is no such promise."""
        promise = self._context.promise
        if promise is None or self._kept or self._settled is not None or not isinstance(fact, CustomerTurn):
            return None
        classification = self._classify(conversation)
        if classification.status == "closed":
            return None
        decided = promise.decide(conversation._replace(managed=classification.managed), fact)
        if decided is not None:
            self._kept = conversation.id, promise.cause(fact)
        return decided

    def _decided(self, conversation: Conversation, fact: ConversationFact) -> Decisions:
        """Returns the decisions after a fact. A conversation that is over keeps those it has."""
        decisions = conversation.decisions
        if not may_decide(conversation, fact):
            return decisions
        asked = self._route(fact) if is_released(decisions) else None
        decided = decided_by(fact, conversation, asked, self._context.now, is_new=self._settled is None)
        if self._settled is None and is_contested(decided, fact):
            self._contested.add(conversation.id)
        return decisions if decided is decisions or self._classify(conversation).status == "closed" else decided

    def _adopt(self) -> None:
        """Places waiting facts that a conversation covers now, in their order."""
        if not self._waiting:
            return
        still_waiting = []
        for fact in sorted(self._waiting, key=fact_ref):
            home = home_of(fact, self._conversations)
            if home is None:
                still_waiting.append(fact)
            else:
                self._join(home, fact)
        self._waiting = tuple(still_waiting)

    def _rename(self, fact: CustomerIdentityChanged) -> None:
        """Gives the new ids of the customer to all conversations."""
        party = self._context.called(fact)
        for conversation in list(self._conversations):
            self._swap(conversation, renamed(conversation, fact, party))

    # what became of messages

    def _change(self, wamid: str, change: MessageChange, fact: ConversationFact) -> None:
        """Applies an edit, a deletion or a failure to the message that it names, in whichever conversation that is."""
        change = change.merged(self._changes.get(wamid))
        self._changes = {**self._changes, wamid: change}
        if isinstance(fact, MessageFailed):
            self._rechosen += [c.id for c in self._conversations if c.id == fact.conversation_id]
            return
        message = fact_id("message", self._history.phone_number_id, wamid)
        for known in list(self._conversations):
            evidence = with_change(known.evidence, message, change)
            if evidence is not known.evidence:
                self._swap(known, known._replace(evidence=evidence))
        edited = CustomerTurn.model_construct(at=fact.at, arrival=fact.arrival, id=fact.id, text=change.text)
        if isinstance(route_of(edited, self._number, self._context.directory), Route):
            self._rechosen += [c.id for c in self._conversations]

    def _change_to(self, fact: ConversationFact) -> MessageChange | None:
        if not self._changes or not isinstance(fact, CustomerTurn | AgentMessage) or fact.wamid is None:
            return None
        return self._changes.get(fact.wamid)

    def _route(self, fact: ConversationFact) -> Route | None:
        """Returns the skillset that a fact asks for; None: none that exists."""
        route = route_of(fact, self._number, self._context.directory, self._change_to(fact))
        return route if isinstance(route, Route) else None


def _opened_at(pair: tuple[object, Conversation]) -> datetime:
    return pair[1].opened_at
