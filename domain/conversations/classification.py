"""Classifies a conversation at a point in time: active or closed; managed, dismissed or unmanaged, and the reason when
it is unmanaged.

Pure functions of evidence, decisions, number and `now`.
"""

from datetime import datetime
from typing import NamedTuple

from domain.conversations.conversation import Conversation, Dismissed, FactRef, Status
from domain.conversations.ends import End, counts, ended
from domain.conversations.ownership.claims import holder_at, last_claim
from domain.conversations.ownership.replies import is_answered
from domain.conversations.reasons import Reason
from domain.directory import Number
from domain.ids import FactId


class Classification(NamedTuple):
    """The classification of a conversation, with the fields of `domain.conversations.conversation.Conversation`.
    `reason` is set exactly when the conversation is unmanaged, `dismissed` when it is dismissed."""

    status: Status
    closed_at: datetime | None
    managed: bool
    reason: Reason | None
    because: tuple[FactId, ...]
    dismissed: Dismissed | None = None


def classify(conversation: Conversation, followed: bool, number: Number, now: datetime) -> Classification:
    """Returns the classification at `now` (aware UTC). `followed`: the customer has a later conversation with the
    number, so this one is over even before its window ends."""
    decisions, end = conversation.decisions, ended(conversation)
    closed = end is not None or followed or now >= conversation.window_ends_at
    closed_at = (end.ref.at if end else conversation.window_ends_at) if closed else None
    managed = is_answered(conversation) or _is_closed_by_holder(conversation)
    dismissed = None if managed else decisions.dismissed
    reason, because = None, tuple[FactId, ...]()
    if not managed and dismissed is None and (closed or decisions.owner is None):
        reason, because = _reason(conversation, closed, end, number)
    return Classification("closed" if closed else "active", closed_at, managed, reason, because, dismissed)


def _is_closed_by_holder(conversation: Conversation) -> bool:
    """Returns whether the agent who had the conversation closed it and said how it ended. This is human interaction; a
    closing by anybody else, or without outcome and note, is not (domain.md, *Human interaction*)."""
    evidence = conversation.evidence
    return any(
        end.at < conversation.window_ends_at and agent == holder_at(conversation, end.at) and counts(End(end), evidence)
        for end, agent in evidence.explained_ends
    )


def _reason(
    conversation: Conversation, closed: bool, end: End | None, number: Number
) -> tuple[Reason, tuple[FactId, ...]]:
    """Returns the first reason that applies (domain.md, Reason), with the facts that decided it. A choice that arrived
    too late to be queued still counts as a choice: the reason is `NOBODY_TOOK_IT`."""
    evidence, decisions = conversation.evidence, conversation.decisions
    last_turn = evidence.last_turn
    last = (last_turn.fact,) if last_turn else ()
    if end is not None and end.session is not None:
        return Reason.BOT_CLOSED, (end.ref.fact,)
    taken = _taken_not_answered(conversation, closed)
    if taken is not None:
        return Reason.TAKEN_NOT_ANSWERED, (taken.fact,)
    if evidence.touch is not None and decisions.last in ("no_reply", "given_back", "recalled"):
        return Reason.NO_REPLY, last
    if closed:
        requested = evidence.route.ref if evidence.route else decisions.first_owned
        if requested is not None:
            return Reason.NOBODY_TOOK_IT, (requested.fact,)
    decided = (decisions.because.fact,) if decisions.because else last
    if decisions.last == "expired":
        return Reason.RESERVATION_EXPIRED, decided
    if decisions.last in ("declined", "lapsed", "removed"):
        return Reason.NOBODY_TOOK_IT, decided
    if last_turn is None and evidence.unreadable is not None:
        return Reason.UNREADABLE, (evidence.unreadable.fact,)
    if evidence.in_hours is None:
        return Reason.OUT_OF_HOURS, last
    if not number.menu and not number.softbot:
        return Reason.NUMBER_HAS_NO_MENU, last
    if evidence.failed_choice is not None:
        return Reason.INVALID_CHOICE, (evidence.failed_choice.fact,)
    return Reason.NO_CHOICE, last


def _taken_not_answered(conversation: Conversation, closed: bool) -> FactRef | None:
    """Returns the acceptance that no word to the customer followed: of the agent from whom the conversation was last
    taken for that, or of one who had it when it closed. None: there is none."""
    evidence, decisions = conversation.evidence, conversation.decisions
    if decisions.last == "unanswered":
        return max((claim.last for claim in evidence.claims), default=decisions.because)
    if not closed:
        return None
    return last_claim(conversation) or (decisions.because if decisions.last == "accepted" else None)
