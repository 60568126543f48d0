"""What ends a dismissal (domain.md, *Dismissing*)."""

from domain.conversations.conversation import Conversation
from domain.facts import ConversationFact, CustomerSignal, CustomerTurn


def brought_back(conversation: Conversation, fact: ConversationFact) -> Conversation:
    """Returns the conversation without its dismissal if a new fact is a message of the customer, whenever that was
    sent: who dismissed the conversation had not seen it."""
    if conversation.decisions.dismissed is None or not _is_message(fact):
        return conversation
    return conversation._replace(decisions=conversation.decisions._replace(dismissed=None))


def _is_message(fact: ConversationFact) -> bool:
    """Returns whether it is certain that the customer said something: no reaction, no edit, no deletion."""
    return isinstance(fact, CustomerTurn) or (isinstance(fact, CustomerSignal) and fact.unreadable == "content")
