"""The heart: what one more fact does to a customer's conversations with one number.

`fold(thread, fact, directory, now) -> Step` and `expire(thread, directory, now) -> Step` are pure. A thread is what the
rules need of one customer: the conversations around the facts in hand and the facts that wait for a conversation. The
caller holds the customer's lock and keeps what a step says: conversations, where each fact belongs, public events.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from domain.conversations.classification import Classification, classify, ended
from domain.conversations.conversation import Conversation, Decision, Decisions, Evidence, FactRef, Owner, Route
from domain.conversations.events import PublicEvent, event_names
from domain.conversations.evidence import add_fact, fact_ref, route_of
from domain.conversations.window import WINDOW, home_of_other, home_of_turn, reservation_end
from domain.directory import Directory, Number
from domain.facts import (
    AgentAccepted,
    AgentClosed,
    AgentDeclined,
    AgentMessage,
    ConversationFact,
    CustomerIdentityChanged,
    CustomerSignal,
    CustomerTurn,
    HumanEcho,
    ThreadControlPassed,
)
from domain.ids import ConversationId, CustomerId, FactId, conversation_id

_TOUCHES = (HumanEcho, AgentAccepted, AgentMessage)
_OF_AGENTS = (AgentAccepted, AgentMessage, AgentDeclined, AgentClosed)


class CustomerHistory(NamedTuple):
    """One customer and one number. `conversations`: every one opened after the earliest fact in hand, and the one
    before; `waiting`: facts no conversation covers yet."""

    customer_id: CustomerId
    phone_number_id: str
    conversations: tuple[Conversation, ...] = ()
    waiting: tuple[ConversationFact, ...] = ()


class FactPlacement(NamedTuple):
    """A fact and the conversation it now belongs to; None: it waits with the customer."""

    fact: ConversationFact
    conversation: ConversationId | None


class FoldResult(NamedTuple):
    """What a fact did: the thread afterwards, where facts went (the given one first), and what to tell the outside.
    `cut`: conversations that end earlier now than they did; if they hold facts from then on, see `settle`."""

    thread: CustomerHistory
    placed: tuple[FactPlacement, ...]
    events: tuple[PublicEvent, ...]
    cut: tuple[ConversationId, ...] = ()


def fold(thread: CustomerHistory, fact: ConversationFact, directory: Directory, now: datetime) -> FoldResult:
    """One fact that was not seen before. `now`: when it reached us (aware UTC). Raises OverflowError for times at the
    edge of the calendar, nothing else."""
    work = _Fold(thread, directory, now)
    work.take(fact)
    return work.step(Cause((fact.id,), _actor(fact)))


class Cause(NamedTuple):
    """What a step happens because of, as the outside is told: facts or commands, and who acted."""

    facts: tuple[FactId, ...]
    actor: str


def decide(
    thread: CustomerHistory,
    conversation: ConversationId,
    decisions: Decisions,
    cause: Cause,
    directory: Directory,
    now: datetime,
) -> FoldResult:
    """A decision that no fact of the outside took: a transfer, an offer, its end (`domain.routing.transfers`)."""
    work = _Fold(thread, directory, now)
    work.decide(conversation, decisions)
    return work.step(cause)


def settle(
    thread: CustomerHistory,
    conversation: ConversationId,
    facts: Iterable[ConversationFact],
    directory: Directory,
    now: datetime,
) -> FoldResult:
    """Gives all facts of a conversation that was cut their places anew: a human's answer after the cut belongs to the
    conversation that begins there. Evidence cannot be taken back, so it is collected again."""
    work = _Fold(thread, directory, now)
    ordered = sorted(facts, key=fact_ref)
    work.settle(conversation, ordered)
    return work.step(Cause((ordered[-1].id,), _actor(ordered[-1])))


def expire(thread: CustomerHistory, directory: Directory, now: datetime) -> FoldResult:
    """Closes what is over at `now`. Nothing else changes, and a second time nothing does."""
    return _Fold(thread, directory, now).step(None)


class _Fold:
    """The scratchpad of one step."""

    def __init__(self, thread: CustomerHistory, directory: Directory, now: datetime) -> None:
        self._thread = thread
        self._directory = directory
        self._number: Number = directory.number(thread.phone_number_id)
        self._now = now
        self._conversations = list(thread.conversations)  # as they are now, and at the same places as they were:
        self._before: list[Conversation | None] = list(thread.conversations)
        self._waiting = thread.waiting
        self._placed: list[FactPlacement] = []
        self._cut: list[ConversationId] = []

    def take(self, fact: ConversationFact) -> None:
        home: Conversation | None
        if isinstance(fact, CustomerTurn):
            home = home_of_turn(self._conversations, fact.at) or self._open(fact)
        else:
            home = self._home(fact) or self._open_after_handover(fact)
        if home is None:
            self._waiting = (*self._waiting, fact)
            self._placed.append(FactPlacement(fact, None))
        else:
            self._join(home, fact)
            self._adopt()

    def settle(self, conversation: ConversationId, facts: Sequence[ConversationFact]) -> None:
        cut = self._named(conversation)
        assert cut is not None
        self._become(cut, cut._replace(evidence=Evidence(), entries=0))
        for fact in facts:
            self.take(fact)

    def decide(self, conversation: ConversationId, decisions: Decisions) -> None:
        decided = self._named(conversation)
        assert decided is not None
        self._become(decided, decided._replace(decisions=decisions))

    def step(self, cause: Cause | None) -> FoldResult:
        """Judges what changed and what may be over at `now`, and tells the outside. `cause` None: the clock."""
        events: list[PublicEvent] = []
        for known, conversation in sorted(zip(self._before, self._conversations, strict=True), key=_opened_at):
            if conversation is not known or conversation.status == "active":
                events += self._tell(known, conversation, cause)
        self._conversations.sort(key=lambda c: c.opened_at)
        conversations = tuple(self._conversations)
        thread = CustomerHistory(self._thread.customer_id, self._thread.phone_number_id, conversations, self._waiting)
        return FoldResult(thread, tuple(self._placed), tuple(events), tuple(self._cut))

    def _tell(self, known: Conversation | None, conversation: Conversation, cause: Cause | None) -> list[PublicEvent]:
        verdict = self._judge(conversation)
        decisions = conversation.decisions
        if decisions.owner is not None and (
            verdict.status == "closed" or (verdict.managed and decisions.owner.state != "accepted")
        ):
            # over, or somebody answered who was not asked: nobody else is to get it
            decisions = decisions._replace(owner=None, queued_at=None)
        decided = (_who(decisions.owner), verdict.status, verdict.managed)
        new_version = known is None or decided != (_who(known.owner), known.status, known.managed)
        after = conversation._replace(
            decisions=decisions,
            status=verdict.status,
            closed_at=verdict.closed_at,
            managed=verdict.managed,
            reason=verdict.reason,
            because=verdict.because,
            version=conversation.version + new_version,
        )
        events: list[PublicEvent] = []
        if cause is None or _is_over(known, after):  # a window's end is the clock's doing, whoever noticed it
            last_turn = after.evidence.last_turn
            cause = Cause((last_turn.fact,) if last_turn else (), "clock")
        told = new_version or after.reason is not conversation.reason  # most facts change nothing that is told
        for event in event_names(known, after) if told else ():
            after = after._replace(sequence=after.sequence + 1)
            facts = after.because if event == "became_unmanaged" else cause.facts
            events.append(PublicEvent(after, event, self._now, facts, cause.actor))
        self._become(conversation, after)
        return events

    def _become(self, old: Conversation, new: Conversation) -> None:
        for place, conversation in enumerate(self._conversations):
            if conversation is old:
                self._conversations[place] = new
                return

    # where a fact belongs

    def _home(self, fact: ConversationFact) -> Conversation | None:
        if isinstance(fact, _OF_AGENTS) and fact.conversation_id is not None:
            named = self._named(ConversationId(fact.conversation_id))
            if named is not None:
                return named
        return home_of_other(self._conversations, fact.at, touch=isinstance(fact, _TOUCHES))

    def _named(self, conversation: ConversationId) -> Conversation | None:
        return next((c for c in self._conversations if c.id == conversation), None)

    def _open(self, turn: CustomerTurn) -> Conversation:
        earlier = [c for c in self._conversations if c.opened_at < turn.at]
        previous = max(earlier, key=lambda c: c.opened_at, default=None)
        opened = Conversation(
            id=conversation_id(turn.at, turn.id),
            customer_id=self._thread.customer_id,
            phone_number_id=self._thread.phone_number_id,
            opened_at=turn.at,
            window_ends_at=turn.at + WINDOW,
            previous=previous.id if previous else None,
        )
        self._conversations.append(opened)
        self._before.append(None)
        return opened

    def _open_after_handover(self, fact: ConversationFact) -> Conversation | None:
        """Meta's AI gave up: the customer's last turn with it, at most a window old, opens a conversation. Whichever of
        the two comes first waits for the other."""
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
        home = home_of_turn(self._conversations, turn.at) or self._open(turn)
        self._become(home, self._with(home, turn)._replace(entries=home.entries))
        return self._home(fact)

    # what a fact does

    def _join(self, home: Conversation, fact: ConversationFact) -> None:
        changed = self._with(home, fact)
        decisions = self._decide(changed, fact)
        if decisions is not changed.decisions:
            changed = changed._replace(decisions=decisions)
        self._become(home, changed)
        self._placed.append(FactPlacement(fact, changed.id))

    def _with(self, home: Conversation, fact: ConversationFact) -> Conversation:
        """The conversation with one entry more and what it says."""
        evidence = add_fact(home.evidence, fact, self._number, self._directory)
        wa_id, user_id = _ids(home, evidence, fact)
        if not isinstance(fact, CustomerTurn):
            return home._replace(entries=home.entries + 1, evidence=evidence, wa_id=wa_id, user_id=user_id)
        assert evidence.last_turn is not None
        opened_at, window_ends_at = self._span(home, fact.at, evidence.last_turn.at)
        return home._replace(
            entries=home.entries + 1,
            evidence=evidence,
            wa_id=wa_id,
            user_id=user_id,
            opened_at=opened_at,
            window_ends_at=window_ends_at,
            decisions=_reserved_until(home.decisions, window_ends_at),
        )

    def _span(self, home: Conversation, turn_at: datetime, last_turn_at: datetime) -> tuple[datetime, datetime]:
        """The opening and the end of the window with one turn more. No two spans of a customer overlap: one ends where
        the next begins."""
        opened_at, window_ends_at = min(home.opened_at, turn_at), last_turn_at + WINDOW
        for other in list(self._conversations):
            if other is home or other.customer_id != home.customer_id:
                continue
            if other.opened_at > home.opened_at:
                window_ends_at = min(window_ends_at, other.opened_at)
            elif other.opened_at < opened_at < other.window_ends_at:
                self._become(other, other._replace(window_ends_at=opened_at))
                self._cut.append(other.id)
        return opened_at, window_ends_at

    def _judge(self, conversation: Conversation) -> Classification:
        """A customer's later conversation ends this one; those of an identity that was joined live on beside it. What
        was told to be over with its window stays over, also for a fact that reached us earlier, on another partition:
        only a window that moved opens it again."""
        followed = len(self._conversations) > 1 and any(
            c.opened_at > conversation.opened_at and c.customer_id == conversation.customer_id
            for c in self._conversations
        )
        now, told = self._now, conversation.closed_at
        if told is not None and told >= conversation.window_ends_at:
            now = max(now, told)
        return classify(conversation, followed, self._number, now)

    def _adopt(self) -> None:
        """Facts that waited and are covered now, in their order."""
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

    # what we decide because of it

    def _decide(self, conversation: Conversation, fact: ConversationFact) -> Decisions:
        """Queues for the skillset that was asked for; an agent's accepting or writing makes them the owner; declining
        ends the offer now, and routing takes it from there."""
        decisions = conversation.decisions
        if not isinstance(fact, _OF_AGENTS) and conversation.evidence.route is None:
            return decisions
        decided = self._decided(conversation, fact)
        return decisions if decided is decisions or self._judge(conversation).status == "closed" else decided

    def _decided(self, conversation: Conversation, fact: ConversationFact) -> Decisions:
        decisions = conversation.decisions
        owner, here = decisions.owner, fact_ref(fact)
        match fact:
            case AgentAccepted() | AgentMessage():
                taken = owner is not None and owner.state == "accepted"
                later = decisions.because is None or here > decisions.because
                if not taken or (isinstance(fact, AgentAccepted) and later and owner and owner.id != fact.agent_id):
                    return _owned(decisions, Owner("user", fact.agent_id, "accepted"), "accepted", here)
            case AgentDeclined():
                if owner is not None and owner.id == fact.agent_id and owner.state == "assigned":
                    return decisions._replace(owner=owner._replace(until=self._now), last="declined", because=here)
            case _:
                return self._routed(conversation, fact)
        return decisions

    def _routed(self, conversation: Conversation, fact: ConversationFact) -> Decisions:
        decisions, first = conversation.decisions, conversation.evidence.route
        if first is None or conversation.evidence.agent_took is not None:
            return decisions  # nothing to follow, or an agent has it already
        wanted: Route | None = None
        if decisions.last in (None, "routed"):
            # the first choice by event time counts; an earlier one that comes late re-routes while it is still queued
            queued_for = decisions.owner.id if decisions.owner else None
            wanted = first if queued_for != first.skillset else None
        elif decisions.owner is None and decisions.because is not None:
            # given back by a person: only a new choice routes it again
            asked = route_of(fact, self._number, self._directory)
            wanted = asked if isinstance(asked, Route) and asked.mark > decisions.because else None
        if wanted is None:
            return decisions
        owner = Owner("skillset", wanted.skillset, "queued")
        return _owned(decisions, owner, "routed", wanted.mark)._replace(queued_at=wanted.mark.at)


def _owned(decisions: Decisions, owner: Owner, decision: Decision, here: FactRef) -> Decisions:
    first = here if decisions.first_owned is None else min(decisions.first_owned, here)
    return decisions._replace(owner=owner, queued_at=None, first_owned=first, last=decision, because=here)


def _reserved_until(decisions: Decisions, window_ends_at: datetime) -> Decisions:
    """A reservation's end moves with the window; also of one that is being offered, which may wait again."""
    if decisions.reserved_to is None:
        return decisions
    until = reservation_end(decisions.reserved_to, window_ends_at)
    owner, waits = (
        each._replace(until=until) if each is not None and each.state == "reserved" else each
        for each in (decisions.owner, decisions.returns_to)
    )
    return decisions._replace(owner=owner, returns_to=waits)


def _is_over(known: Conversation | None, after: Conversation) -> bool:
    """Whether its window ended it now."""
    return known is not None and known.status == "active" and after.status == "closed" and ended(after) is None


def _who(owner: Owner | None) -> tuple[object, ...] | None:
    """What of an owner an admin decides on: not until when, which moves with every message."""
    return owner and (owner.kind, owner.id, owner.state)


def _ids(conversation: Conversation, evidence: Evidence, fact: ConversationFact) -> tuple[str | None, str | None]:
    """The row's copies of the customer's phone and user id: as in the last turn that held them. A group has none."""
    party = fact.customer
    if party is None or party.group_id is not None:
        return conversation.wa_id, conversation.user_id
    latest = evidence.last_turn == fact_ref(fact)
    wa_id, user_id = party.wa_id, party.user_id
    return (
        wa_id if wa_id and (latest or conversation.wa_id is None) else conversation.wa_id,
        user_id if user_id and (latest or conversation.user_id is None) else conversation.user_id,
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
