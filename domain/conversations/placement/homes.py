"""Which of a customer's conversations a fact belongs to (domain.md, *Which conversation*)."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from domain.conversations.conversation import Conversation, FactRef
from domain.conversations.ends import ended, is_after
from domain.conversations.placement.window import SKEW, WINDOW
from domain.facts import (
    AgentAccepted,
    AgentClosed,
    AgentDeclined,
    AgentMessage,
    BotSessionEnded,
    ConversationFact,
    HumanEcho,
)
from domain.ids import ConversationId

_BY_PEOPLE = (HumanEcho, AgentAccepted, AgentMessage)
_OF_AGENTS = (AgentAccepted, AgentMessage, AgentDeclined, AgentClosed)


def conversation_with(id_: ConversationId, conversations: Iterable[Conversation]) -> Conversation | None:
    """Returns the conversation with an id; None: there is none."""
    return next((c for c in conversations if c.id == id_), None)


def home_of(fact: ConversationFact, conversations: Sequence[Conversation]) -> Conversation | None:
    """Returns the conversation that a fact other than a customer's message belongs to; None: the fact waits for one. An
    agent's event that names a conversation belongs to that one, whatever its time."""
    if isinstance(fact, _OF_AGENTS) and fact.conversation_id is not None:
        named = conversation_with(ConversationId(fact.conversation_id), conversations)
        if named is not None:
            return named
    if isinstance(fact, AgentClosed | BotSessionEnded):
        return home_of_end(conversations, fact.at)
    return home_of_other(conversations, fact.at, human=isinstance(fact, _BY_PEOPLE))


def home_of_turn(conversations: Iterable[Conversation], turn: FactRef) -> Conversation | None:
    """Returns the conversation that a customer's turn belongs to; None: the turn opens a new one.

    Of several candidates, the one that opened last at or before the turn, otherwise the next one after the turn. If the
    candidates belong to identities that were joined, the one with an owner, otherwise the latest."""
    candidates = [c for c in conversations if c.opened_at - WINDOW < turn.at and _before_end(c, turn)]
    if len(candidates) > 1 and len({c.customer_id for c in candidates}) > 1:
        return max(candidates, key=lambda c: (c.owner is not None, c.opened_at))
    return _nearest(candidates, turn.at)


def home_of_other(conversations: Sequence[Conversation], at: datetime, human: bool) -> Conversation | None:
    """Returns the conversation whose span covers an event of a bot, an agent or Meta; None: the event waits for one.

    The span begins `SKEW` before the opening and ends with the window, even if a bot or an agent closed the
    conversation earlier, so that the order of arrival does not matter. What a person did (`human`) belongs to the
    latest candidate; but what they did before the end of a conversation is no answer to who wrote after it."""
    candidates = [c for c in conversations if c.opened_at - SKEW <= at < c.window_ends_at]
    if not human:
        return _nearest(candidates, at)
    home = max(candidates, key=_opened_at, default=None)
    if home is None or home.opened_at <= at:
        return home
    ended_later = [c for c in candidates if c.opened_at <= at and (end := ended(c)) is not None and at < end.ref.at]
    return max(ended_later, key=_opened_at, default=home)


def home_of_end(conversations: Sequence[Conversation], at: datetime) -> Conversation | None:
    """Returns the conversation that an end by a bot or an agent belongs to; None: the end waits for one.

    As `home_of_other`, but an end of the second in which a conversation was opened is the end of the one before, if
    that had not ended yet: the customer may have written after it."""
    home = home_of_other(conversations, at, human=False)
    if home is None or home.opened_at > at or _second(home.opened_at) != _second(at):
        return home
    before = [c for c in conversations if c.opened_at < home.opened_at <= c.window_ends_at and ended(c) is None]
    return max(before, key=_opened_at, default=home)


def _before_end(conversation: Conversation, turn: FactRef) -> bool:
    end = ended(conversation)
    if end is None:
        return turn.at < conversation.window_ends_at
    return not is_after(turn, end, conversation.evidence)


def _nearest(candidates: list[Conversation], at: datetime) -> Conversation | None:
    if len(candidates) <= 1:
        return candidates[0] if candidates else None
    opened_before = [c for c in candidates if c.opened_at <= at]
    if opened_before:
        return max(opened_before, key=_opened_at)
    return min(candidates, key=_opened_at, default=None)


def _opened_at(conversation: Conversation) -> datetime:
    return conversation.opened_at


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)
