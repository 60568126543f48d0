"""When a customer opens a conversation: which messages count for that, and the new conversation itself."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from domain.conversations.conversation import Conversation, fact_ref
from domain.conversations.ends import ended, latest
from domain.conversations.history import CustomerHistory
from domain.conversations.placement.window import SAME_MESSAGE, WINDOW
from domain.facts import ConversationFact, CustomerSignal, CustomerTurn, ThreadControlPassed
from domain.ids import CustomerId, FactId, conversation_id, fact_id

_AFTER = timedelta(microseconds=1)


def is_message(fact: CustomerTurn | CustomerSignal, conversations: Iterable[Conversation]) -> bool:
    """Returns whether the customer said something: a turn, or a message that WhatsApp did not pass on. One without a
    kind may also be an edit or a deletion: it is a message if the customer sent nothing that it could refer to."""
    if isinstance(fact, CustomerTurn) or fact.unreadable is None:
        return isinstance(fact, CustomerTurn)
    since = fact.at - SAME_MESSAGE
    return fact.unreadable == "content" or not any(
        since <= at <= fact.at for c in conversations for at in _messages_at(c)
    )


def opened_by(
    turn: CustomerTurn | CustomerSignal,
    conversations: Sequence[Conversation],
    history: CustomerHistory,
    taken_from: CustomerId | None,
) -> Conversation:
    """Returns the conversation that a message opens beside the `conversations` of a history, without any evidence.
    `taken_from`: as for `domain.conversations.fold.fold`."""
    opened_at, cause = _opening(turn.at, conversations), turn.id
    if taken_from is not None:
        cause = _opened_again(turn.id, taken_from)
    earlier = [c for c in conversations if c.opened_at < opened_at]
    previous = max(earlier, key=lambda c: c.opened_at, default=None)
    while any(c.id == conversation_id(turn.at, cause) for c in conversations):
        cause = fact_id("opened", str(cause))  # the one that this message opened first has earlier messages by now
    return Conversation(
        id=conversation_id(turn.at, cause),
        customer_id=history.customer_id,
        phone_number_id=history.phone_number_id,
        opened_at=opened_at,
        window_ends_at=turn.at + WINDOW,
        previous=previous.id if previous else None,
        group_id=turn.customer.group_id,
    )


def _opening(at: datetime, conversations: Iterable[Conversation]) -> datetime:
    """Returns when a message of the time `at` opens a conversation: after the end of one that ended in the same second,
    and when no other one was opened."""
    ends = [end.ref.at for c in conversations if (end := ended(c)) is not None and at <= end.ref.at <= latest(at)]
    opened_at = max(ends) + _AFTER if ends else at
    while any(c.opened_at == opened_at for c in conversations):
        opened_at += _AFTER
    return opened_at


def turn_to_meta_ai(fact: ConversationFact, waiting: Iterable[ConversationFact]) -> CustomerTurn | None:
    """Returns the customer's last turn to Meta's AI once that has given up on the customer, if the turn is at most a
    window old; None: it has not. Turn and hand-over may arrive in either order; the first waits for the other."""
    if not isinstance(fact, ThreadControlPassed) and not (isinstance(fact, CustomerSignal) and fact.standby_turn):
        return None  # those that wait were looked at when they came
    given_up = turns_given_up([fact, *waiting])
    return max(given_up.values(), key=fact_ref, default=None)


def turns_given_up(facts: Iterable[ConversationFact]) -> dict[FactId, CustomerTurn]:
    """Returns the last turn to Meta's AI before each of its hand-overs, if it is at most a window old, by the id of its
    fact: as a turn to the company, because nobody else answers it."""
    found: dict[FactId, CustomerTurn] = {}
    last: CustomerSignal | None = None
    for fact in sorted(facts, key=lambda fact: (fact.at, isinstance(fact, ThreadControlPassed), fact_ref(fact))):
        if isinstance(fact, CustomerSignal) and fact.standby_turn:
            last = fact
        elif isinstance(fact, ThreadControlPassed) and last is not None and fact.at < last.at + WINDOW:
            found[last.id] = CustomerTurn.model_construct(**{**dict(last), "kind": "customer_turn"})
    return found


def _messages_at(conversation: Conversation) -> Iterator[datetime]:
    """Yields the times of the first and the last messages of a conversation."""
    evidence = conversation.evidence
    only = None if evidence.last_turn else evidence.unreadable
    yield from (ref.at for ref in (evidence.first_turn, evidence.last_message, only) if ref is not None)


def _opened_again(fact: FactId, customer: CustomerId) -> FactId:
    """Returns the cause of a conversation that a fact opens a second time: the first one stays the other customer's."""
    return fact_id("taken", str(fact), str(customer))
