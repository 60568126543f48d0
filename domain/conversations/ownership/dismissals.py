"""Dismissals: whether one counts, and what follows from it (domain.md, *Dismissing*)."""

from domain.conversations.conversation import Conversation, Dismissed
from domain.conversations.ends import latest


def dismissal(conversation: Conversation) -> Dismissed | None:
    """Returns the dismissal of a conversation in which nobody of the company wrote since; None: there is none, or the
    customer wrote after it.

    Meta's times are whole seconds: a message of the second of the dismissal counts as written after it, unless it was
    known then."""
    dismissed, last = conversation.decisions.dismissed, conversation.evidence.last_message
    if dismissed is None or last is None or last == dismissed.seen or latest(last.at) <= dismissed.ref.at:
        return dismissed
    return None
