"""Meta's 24-hour window, and which conversation a fact belongs to (domain.md, *Which conversation*)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.conversations.classification import ended, is_after
from domain.conversations.conversation import Conversation, FactRef
from domain.facts import ConversationFact, CustomerSignal, CustomerTurn, ThreadControlPassed

WINDOW = timedelta(hours=24)
"""How long a customer may be answered without a template after their last message (Meta's rule)."""

SKEW = timedelta(minutes=2)
"""How far the clock of a bot or an agent desktop may be behind Meta's: their events at the start of a conversation
still belong to it."""

SAME_MESSAGE = timedelta(hours=60)
"""How long after a message it can be edited or deleted (WhatsApp's rule)."""

_BEFORE_END = timedelta(minutes=5)
"""A reservation ends this long before the window, so that a person can still act."""


def reservation_end(reserved_to: datetime, window_ends_at: datetime) -> datetime:
    """Returns the end of a reservation that by its own term ends at `reserved_to` (mission.md, *exclusive*)."""
    return min(reserved_to, window_ends_at - _BEFORE_END)


@dataclass(frozen=True, slots=True)
class AnswerPolicy:
    """The settings of how long an agent who accepted a conversation has until the first word to the customer. `within`:
    from the acceptance; `before_end`: that long before the window ends, if that is earlier, so that another agent can
    still act; `at_least`: from the acceptance in any case."""

    within: timedelta = timedelta(minutes=10)
    before_end: timedelta = timedelta(minutes=30)
    at_least: timedelta = timedelta(minutes=3)


DEFAULT_ANSWER = AnswerPolicy()


def answer_by(accepted_at: datetime, window_ends_at: datetime, policy: AnswerPolicy) -> datetime:
    """Returns when a conversation goes back to the list if nobody has written to the customer."""
    return max(min(accepted_at + policy.within, window_ends_at - policy.before_end), accepted_at + policy.at_least)


def adoptable_span(fact: ConversationFact) -> tuple[datetime, datetime] | None:
    """Returns the span of time in which a fact may give waiting facts a conversation; None: it gives them none.

    A message opens a conversation or moves one, and covers the time until its window ends. A message to Meta's AI and
    the hand-over wait for each other."""
    match fact:
        case CustomerTurn():
            return fact.at - SKEW, fact.at + WINDOW
        case CustomerSignal() if fact.unreadable is not None:
            return fact.at - SKEW, fact.at + WINDOW
        case ThreadControlPassed():
            return fact.at - WINDOW, fact.at + WINDOW
        case CustomerSignal() if fact.standby_turn:
            return fact.at - WINDOW, fact.at + WINDOW
        case _:
            return None


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
    latest candidate."""
    candidates = [c for c in conversations if c.opened_at - SKEW <= at < c.window_ends_at]
    if human:
        return max(candidates, key=lambda c: c.opened_at, default=None)
    return _nearest(candidates, at)


def home_of_end(conversations: Sequence[Conversation], at: datetime) -> Conversation | None:
    """Returns the conversation that an end by a bot or an agent belongs to; None: the end waits for one.

    As `home_of_other`, but an end of the second in which a conversation was opened is the end of the one before, if
    that had not ended yet: the customer may have written after it."""
    home = home_of_other(conversations, at, human=False)
    if home is None or not home.opened_at <= at < home.opened_at + timedelta(seconds=1):
        return home
    before = [c for c in conversations if c.opened_at < home.opened_at <= c.window_ends_at and ended(c) is None]
    return max(before, key=lambda c: c.opened_at, default=home)


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
        return max(opened_before, key=lambda c: c.opened_at)
    return min(candidates, key=lambda c: c.opened_at, default=None)
