"""Queues a conversation for the skillset that the customer asked for (domain.md, *Presence and routing*)."""

from domain.conversations.conversation import Conversation, Decisions, Owner, Route
from domain.conversations.ends import latest


def is_released(decisions: Decisions) -> bool:
    """Returns whether a person or the end of an offer released the conversation, or dismissed it: only a new choice
    queues it again."""
    if decisions.dismissed is not None:
        return True
    return decisions.last not in (None, "routed") and decisions.owner is None and decisions.because is not None


def queued(conversation: Conversation, asked: Route | None) -> Decisions:
    """Returns the decisions after a fact; the same ones if they stay. `asked`: the skillset that the fact asks for, if
    the conversation `is_released`."""
    decisions, first = conversation.decisions, conversation.evidence.route
    if first is None:
        return decisions
    requested: Route | None = None
    if decisions.dismissed is not None:
        # a choice that Softbot reports: one of the customer's own ended the dismissal
        requested = asked if asked is not None and asked.ref.arrival > decisions.dismissed.ref.arrival else None
    elif decisions.last in (None, "routed"):
        # the first choice by event time counts; an earlier one that comes late re-routes while it is still queued
        queued_for = decisions.owner.id if decisions.owner else None
        requested = first if queued_for != first.skillset else None
    elif asked is not None and decisions.because is not None:
        requested = asked if latest(asked.ref.at) > decisions.because.at else None
    if requested is None:
        return decisions
    owner = Owner("skillset", requested.skillset, "queued")
    return decisions.owned_by(owner, "routed", requested.ref)._replace(queued_at=requested.ref.at)
