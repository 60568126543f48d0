"""Meta's 24-hour window, and the span of time that a conversation covers (domain.md, *Which conversation*)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.conversations.conversation import Conversation, Evidence
from domain.facts import ConversationFact, CustomerSignal, CustomerTurn, ThreadControlPassed

WINDOW = timedelta(hours=24)
"""How long a customer may be answered without a template after their last message (Meta's rule)."""

SKEW = timedelta(minutes=2)
"""How far the clock of a bot or an agent desktop may be behind Meta's: their events at the start of a conversation
still belong to it."""

SAME_MESSAGE = timedelta(hours=60)
"""How long after a message it can be edited or deleted (WhatsApp's rule)."""


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


class ConversationSpan(NamedTuple):
    """Opening and end of the window of a conversation after one more message. `is_cut`: the end moved to an earlier
    time. `overlapped`: earlier conversations of the customer, which end at the opening from now on."""

    opened_at: datetime
    window_ends_at: datetime
    is_cut: bool
    overlapped: list[Conversation]


def span_after(
    home: Conversation, at: datetime, evidence: Evidence, conversations: Iterable[Conversation]
) -> ConversationSpan:
    """Returns the span of a conversation after a message of the time `at`, with which it has this evidence.

    The last turn decides the end; without any turn, the first message that WhatsApp did not pass on. Spans of a
    customer never overlap: one ends where the next begins."""
    begins = evidence.last_turn or evidence.unreadable
    assert begins is not None
    is_of_same_second = at == home.opened_at.replace(microsecond=0)
    opened_at = home.opened_at if is_of_same_second else min(home.opened_at, at)
    window_ends_at = begins.at + WINDOW
    is_cut = window_ends_at < home.window_ends_at
    overlapped = []
    for other in conversations:
        if other is home or other.customer_id != home.customer_id:
            continue
        if other.opened_at > home.opened_at:
            window_ends_at = min(window_ends_at, other.opened_at)
        elif other.opened_at < opened_at < other.window_ends_at:
            overlapped.append(other)
    return ConversationSpan(opened_at, window_ends_at, is_cut, overlapped)
