"""What a change of a conversation publishes: its classification and version are stored with it, and its events are
numbered."""

from datetime import datetime

from domain.conversations.classification import Classification
from domain.conversations.conversation import Conversation, Owner
from domain.conversations.customers.contact_ids import is_renamed
from domain.conversations.ends import ended
from domain.conversations.events import Cause, PublicEvent, event_names
from domain.conversations.ownership.deadlines import AnswerPolicy, with_deadlines
from domain.conversations.ownership.replies import reply_by, waits_since
from domain.directory import Number
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
    MessageFailed,
    ThreadControlPassed,
)

_ACTORS: dict[type[ConversationFact], str] = {
    CustomerTurn: "customer",
    CustomerSignal: "customer",
    HumanEcho: "app",
    ThreadControlPassed: "meta",
    CustomerIdentityChanged: "meta",
    MessageFailed: "meta",
}


def cause_of(fact: ConversationFact) -> Cause:
    """Returns a fact as the cause of a change."""
    if isinstance(fact, AgentMessage) and not fact.is_claim:
        return Cause((fact.id,), fact.agent_id)
    if isinstance(fact, AgentAccepted | AgentMessage | AgentDeclined | AgentClosed):
        return Cause((fact.id,), f"agent:{fact.agent_id}")
    return Cause((fact.id,), _ACTORS.get(type(fact), "bot"))


def classified(
    known: Conversation | None,
    conversation: Conversation,
    classification: Classification,
    number: Number,
    answer: AnswerPolicy,
) -> Conversation:
    """Returns a conversation with its classification, and with the next version if owner, status, managed or dismissed
    changed. `known`: the conversation as it was published before; None: it is new."""
    closed, managed = classification.status == "closed", classification.managed
    decisions = with_deadlines(conversation, closed, managed, answer)
    dismissed = classification.dismissed
    decided = (_owner_key(decisions.owner), classification.status, managed, dismissed)
    new_version = known is None or decided != (_owner_key(known.owner), known.status, known.managed, known.dismissed)
    since = None if closed or dismissed is not None else waits_since(conversation)
    return conversation._replace(
        decisions=decisions,
        status=classification.status,
        closed_at=classification.closed_at,
        managed=managed,
        reason=classification.reason,
        because=classification.because,
        waits_since=since,
        reply_by=reply_by(conversation, since, number, answer) if managed and since is not None else None,
        version=conversation.version + new_version,
        dismissed=dismissed,
    )


def published(
    known: Conversation | None,
    after: Conversation,
    cause: Cause | None,
    now: datetime,
    is_contested: bool,
    is_new_customer: bool,
    promised: Cause | None = None,
) -> tuple[Conversation, list[PublicEvent]]:
    """Returns the events of a change, and the conversation with their sequence. `known`: as for `classified`; `cause`
    None: the clock. `is_contested`: an agent accepted what another one has; `is_new_customer`: the conversation belongs
    to another customer now; `promised`: why it has an owner, if that was asked for before the customer wrote."""
    contested = is_contested and after.status == "active"
    customer_changed = is_new_customer or (known is not None and is_renamed(known, after))
    is_same = known is not None and after.version == known.version and after.reason is known.reason
    if is_same and not contested and not customer_changed:
        return after, []  # most facts change nothing public
    if cause is None or _is_over(known, after):  # the clock ends a window, whichever process notices
        last_turn = after.evidence.last_turn
        cause = Cause((last_turn.fact,) if last_turn else (), "clock")
    events: list[PublicEvent] = []
    for event in event_names(known, after, contested, customer_changed):
        after = after._replace(sequence=after.sequence + 1)
        by = promised if promised is not None and event in ("reserved", "assigned") else cause
        facts = after.because if event == "became_unmanaged" else by.facts
        events.append(PublicEvent(after, event, now, facts, by.actor, note=None if events else by.note))
    return after, events


def _is_over(known: Conversation | None, after: Conversation) -> bool:
    """Returns whether the end of its window closed it now."""
    return known is not None and known.status == "active" and after.status == "closed" and ended(after) is None


def _owner_key(owner: Owner | None) -> tuple[object, ...] | None:
    """Returns the part of an owner that versions compare. The deadline is left out: it moves with every message."""
    return owner and (owner.kind, owner.id, owner.state)
