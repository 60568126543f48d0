"""What ends a dismissal (domain.md, *Dismissing*) and a parking (domain.md, *Releasing*)."""

from domain.conversations.conversation import Conversation
from domain.conversations.ownership.deadlines import unparked
from domain.facts import ConversationFact, CustomerSignal, CustomerTurn, ThreadControlPassed


def brought_back(conversation: Conversation, fact: ConversationFact) -> Conversation:
    """Returns the conversation neither dismissed nor parked if a new fact is a message of the customer, whenever that
    was sent: who dismissed or parked the conversation had not seen it. So does Meta's AI that gives up on them."""
    decisions = conversation.decisions
    if decisions.dismissed is None and decisions.parked_until is None:
        return conversation
    is_given_up = isinstance(fact, ThreadControlPassed) and conversation.status == "active"
    if not is_given_up and not _is_message(fact):
        return conversation
    free = unparked(decisions, fact.at, conversation.window_ends_at)
    return conversation._replace(decisions=free._replace(dismissed=None))


def _is_message(fact: ConversationFact) -> bool:
    """Returns whether it is certain that the customer said something: no reaction, no edit, no deletion."""
    return isinstance(fact, CustomerTurn) or (isinstance(fact, CustomerSignal) and fact.unreadable == "content")
