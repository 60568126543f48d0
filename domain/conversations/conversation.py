"""A conversation: its evidence (what its facts say), its decisions, and the classification of both at a point in time.

Facts and decisions are never mixed (domain.md). Evidence is a summary of facts that can be merged in any order, so the
classification does not depend on the order in which facts arrived.

All types are tuples: copying a value with a change is the most frequent step of the fold, and five times as fast with a
tuple as with a dataclass.
"""

from datetime import datetime
from typing import Literal, NamedTuple

from domain.arrival import arrival
from domain.command_bodies.parts import DismissedAs
from domain.conversations.reasons import Reason
from domain.facts import AgentAccepted, AgentMessage, ConversationFact
from domain.ids import ConversationId, CustomerId, FactId

Status = Literal["active", "closed"]
OwnerKind = Literal["user", "skillset"]
OwnerState = Literal["queued", "reserved", "assigned", "accepted"]

MAX_LAST_TEXT = 500
"""Maximum length of the customer's last text in a row of the list, in characters."""

MAX_MEMBERS = 32
"""Members of a group who are remembered. Meta's groups are smaller."""


class FactRef(NamedTuple):
    """A fact reference: time, arrival (`domain.arrival`) and id of a fact. Facts are ordered by it."""

    at: datetime
    arrival: int
    fact: FactId


def fact_ref(fact: ConversationFact) -> FactRef:
    """Returns the reference of a fact: its time, arrival and id."""
    return FactRef(fact.at, fact.arrival, fact.id)


def claim_ref(fact: AgentAccepted | AgentMessage) -> FactRef:
    """Returns the reference of what an agent did, by the time when they did it: a message of this product may have
    waited until it was sent."""
    written_at = fact.written_at if isinstance(fact, AgentMessage) else None
    return FactRef(written_at or fact.at, fact.arrival, fact.id)


def decision_ref(at: datetime, fact: FactId) -> FactRef:
    """Returns the reference of a decision, among the facts that had arrived by its time."""
    return FactRef(at, arrival(at), fact)


def earlier(known: FactRef | None, ref: FactRef) -> FactRef:
    """Returns the earlier of two references, of which the first may be unknown."""
    return ref if known is None else min(known, ref)


class Route(NamedTuple):
    """A menu choice or the bot's hand-off: the skillset that the customer asked for."""

    ref: FactRef
    skillset: str


class BotSession(NamedTuple):
    """A Softbot session: when it was first seen and, once it ended, its end."""

    began: FactRef
    ended: FactRef | None = None


class AgentClaim(NamedTuple):
    """What makes an agent a candidate for a conversation: their first and their last acceptance or message."""

    agent: str
    first: FactRef
    last: FactRef


class GroupMember(NamedTuple):
    """A member of a group as they were named where they wrote last."""

    ref: FactRef
    wa_id: str | None = None
    user_id: str | None = None
    name: str | None = None


class Evidence(NamedTuple):
    """What the facts of a conversation say, summarised so that their order does not matter: the first or the last fact
    of each kind. Stored as an array in the order of the fields, so new fields go to the end.

    `last_text`: the last turn that had text, with what is left of it after edits; None: the customer deleted it.
    `in_hours`: the first turn inside the number's hours.
    `failed_choice`: the first turn that looked like a choice but did not match one. `touch`: the first human word to
    the customer: a message of an agent, or an echo; `agent_took`: the first acceptance or message of an agent.
    `agent_ends`: the closings by agents, except those before a later message. `sessions`: the Softbot's sessions, by
    id. `named`: the customer's last display name. `first_of_last_second`: the first of the turns that have the time of
    the last one. `unreadable`: the first message that WhatsApp did not pass on; `last_content`: the last one that is
    certain to be a message. `claims`: one per agent who accepted or wrote, in the order of their ids.
    `explained_ends`: those of the `agent_ends` that have an outcome or a note, each with its agent. `last_speaker`:
    the member of a group who wrote the last text, by name, else by phone or user id. `last_word`: the last human word
    to the customer, by the time when it was written. `members`: those who wrote in a group, at most `MAX_MEMBERS` of
    them, those who wrote last; by phone, else by user id. `handed_over`: when Meta's AI gave up on the customer
    last."""

    first_turn: FactRef | None = None
    last_turn: FactRef | None = None
    last_text: tuple[FactRef, str | None] | None = None
    in_hours: FactRef | None = None
    route: Route | None = None
    failed_choice: FactRef | None = None
    touch: FactRef | None = None
    agent_took: FactRef | None = None
    agent_ends: tuple[FactRef, ...] = ()
    sessions: dict[str, BotSession] = {}  # noqa: RUF012 - never changed in place
    named: tuple[FactRef, str] | None = None
    first_of_last_second: FactRef | None = None
    unreadable: FactRef | None = None
    last_content: FactRef | None = None
    claims: tuple[AgentClaim, ...] = ()
    explained_ends: tuple[tuple[FactRef, str], ...] = ()
    last_speaker: str | None = None
    last_word: FactRef | None = None
    members: dict[str, GroupMember] = {}  # noqa: RUF012 - never changed in place
    handed_over: FactRef | None = None

    @property
    def last_message(self) -> FactRef | None:
        """The last fact by which the customer said something: a turn, or content that WhatsApp did not pass on."""
        return max((ref for ref in (self.last_turn, self.last_content) if ref is not None), default=None)


class Owner(NamedTuple):
    """The skillset (queued or reserved) or user (reserved, assigned, accepted) that has to act. `until`: when a
    reservation ends, an assignment that is not accepted, or an acceptance without a word to the customer."""

    kind: OwnerKind
    id: str
    state: OwnerState
    until: datetime | None = None

    def is_user(self, name: str) -> bool:
        """Returns whether it is this user, with any state."""
        return self.kind == "user" and self.id == name


Decision = Literal[
    "routed",
    "accepted",
    "declined",
    "lapsed",
    "expired",
    "recalled",
    "removed",
    "transferred",
    "offered",
    "unanswered",
    "given_back",
    "no_reply",
]


class Released(NamedTuple):
    """The last time that a conversation was taken from who had it, or given away by them: only a word that was written
    after `ref` makes it managed again. `by`: the issuer of the command; None: the customer had no reply in time, and
    `ref` is their last message. `note`: for those who take it next."""

    ref: FactRef
    by: str | None = None
    note: str | None = None


class Dismissed(NamedTuple):
    """A dismissal: nobody needs to answer. `ref`: the command; `why`, `note`: as in the command, `by`: its issuer."""

    ref: FactRef
    why: DismissedAs
    by: str
    note: str | None = None


class Decisions(NamedTuple):
    """The decisions about a conversation. Each decision is taken once, under the customer's lock; later input leads to
    another decision and never rewrites an earlier one.

    `first_owned`: the cause of the first decision that set an owner. `last` and `because`: the last decision and its
    cause. `returns_to`: the queue or reservation from which the conversation was offered, and to which it returns if
    the offer is not accepted. `reserved_to`: the end of a reservation by its own term, also while the conversation is
    being offered (the window may end it sooner). `next_of`: the skillset whose next member is offered an immediate
    transfer that the previous one did not accept. `declined_by`: agents who declined or missed the offer, each with the
    time of their last presence event then; the conversation is not offered to them again before their next one.
    `offered_to`: the agent who had the offer when the conversation was accepted, by them or by another.
    `claimable_from`: claims up to this time no longer make their agent the owner, because the conversation was taken
    from its owner then; None: all do. `parked_until`: from then on the reservation is offered; the customer's next
    message ends the parking. `dismissed`: the dismissal since the customer wrote last and there was no owner."""

    owner: Owner | None = None
    queued_at: datetime | None = None
    first_owned: FactRef | None = None
    last: Decision | None = None
    because: FactRef | None = None
    returns_to: Owner | None = None
    next_of: str | None = None
    declined_by: tuple[tuple[str, datetime], ...] = ()
    reserved_to: datetime | None = None
    offered_to: str | None = None
    claimable_from: datetime | None = None
    released: Released | None = None
    parked_until: datetime | None = None
    dismissed: Dismissed | None = None

    def owned_by(self, owner: Owner, decision: Decision, ref: FactRef) -> "Decisions":
        """Returns the decisions with an owner because of a fact or a command, and without a place in a queue."""
        first = earlier(self.first_owned, ref)
        return self._replace(
            owner=owner,
            queued_at=None,
            parked_until=None,
            first_owned=first,
            last=decision,
            because=ref,
            dismissed=None,
        )


class Conversation(NamedTuple):
    """One conversation of a customer with a number.

    The fields under "classification" follow from evidence, decisions, the next conversation and the time of the
    classification (`domain.conversations.classification`). `closed_at`: when the conversation ended, not when this was
    noticed; `because`: the facts that decided the reason. `waits_since`: the customer's first message after the last
    word to them, as they were processed, of an active conversation; `reply_by`: when it is taken from who answered it
    if nobody writes. `version` counts changes of owner, status, managed and dismissed; `sequence` counts public events.
    `group_id`: the group whose conversation it is; a group has no phone, user id or name of its own. `dismissed`: the
    dismissal by which it is neither managed nor unmanaged."""

    id: ConversationId
    customer_id: CustomerId
    phone_number_id: str
    opened_at: datetime
    window_ends_at: datetime
    previous: ConversationId | None = None
    wa_id: str | None = None
    user_id: str | None = None
    entries: int = 0
    evidence: Evidence = Evidence()
    decisions: Decisions = Decisions()
    # classification
    status: Status = "active"
    closed_at: datetime | None = None
    managed: bool = False
    reason: Reason | None = None
    because: tuple[FactId, ...] = ()
    waits_since: datetime | None = None
    reply_by: datetime | None = None
    # counters of what was published
    version: int = 0
    sequence: int = 0
    group_id: str | None = None
    dismissed: Dismissed | None = None

    @property
    def unmanaged(self) -> bool:
        """Whether the conversation is unmanaged, and therefore on the list."""
        return self.reason is not None

    @property
    def last_at(self) -> datetime:
        """Time of the customer's last turn."""
        return self.evidence.last_turn.at if self.evidence.last_turn else self.opened_at

    @property
    def last_text(self) -> str | None:
        """The customer's last text (manual fact S7) after edits, cut to `MAX_LAST_TEXT` characters; None: there is
        none, or the customer deleted it."""
        return self.evidence.last_text[1] if self.evidence.last_text else None

    @property
    def last_speaker(self) -> str | None:
        """Who of a group wrote the last text."""
        return self.evidence.last_speaker

    @property
    def customer_name(self) -> str | None:
        """The customer's last display name. A group has none: those who write in it have."""
        return self.evidence.named[1] if self.evidence.named and self.group_id is None else None

    @property
    def owner(self) -> Owner | None:
        return self.decisions.owner

    @property
    def parked_until(self) -> datetime | None:
        """When a parked conversation is offered again."""
        return self.decisions.parked_until

    @property
    def released(self) -> Released | None:
        """Who gave the conversation away last, and their note, until somebody writes to the customer."""
        released = self.decisions.released
        return None if released is None or released.by is None or self.managed else released
