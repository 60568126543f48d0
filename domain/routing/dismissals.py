"""Dismissing a conversation to which nobody needs to answer (domain.md, *Dismissing*)."""

from domain.commands import Dismiss, Rejection
from domain.conversations.conversation import Conversation, Decisions, Dismissed, FactRef


def dismiss(conversation: Conversation | None, command: Dismiss, issuer: str, ref: FactRef) -> Decisions | Rejection:
    """Returns the decisions after a dismissal, or why it is rejected, checked in the documented order. `ref`: the
    current time and the command."""
    if conversation is None:
        return Rejection.CONVERSATION_UNKNOWN
    if command.expected_version is not None and command.expected_version != conversation.version:
        return Rejection.VERSION_CONFLICT
    if conversation.managed:
        return Rejection.ALREADY_MANAGED
    if conversation.owner is not None:
        return Rejection.ALREADY_ASSIGNED
    if conversation.dismissed is not None:
        return Rejection.ALREADY_DISMISSED
    if command.expected_entries is not None and command.expected_entries != conversation.entries:
        return Rejection.CUSTOMER_WROTE_MEANWHILE
    return conversation.decisions._replace(dismissed=Dismissed(ref, command.why, issuer, command.note))


def restored(conversation: Conversation, expected_version: int | None) -> Decisions | Rejection:
    """Returns the decisions of a dismissed conversation after its dismissal was recalled: it is on the list as before,
    also if it is closed by now."""
    if expected_version is not None and expected_version != conversation.version:
        return Rejection.VERSION_CONFLICT
    return conversation.decisions._replace(dismissed=None)
