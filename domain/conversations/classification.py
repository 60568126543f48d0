"""Classifies a conversation at a point in time: active or closed, managed or unmanaged, and the reason when it is
unmanaged.

Pure functions of evidence, decisions, number and `now`.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from domain.conversations.claims import holder_at, last_claim
from domain.conversations.conversation import BotSession, Conversation, Decisions, Evidence, FactRef, Status
from domain.conversations.reasons import Reason
from domain.directory import Number
from domain.ids import FactId

_ALMOST_A_SECOND = timedelta(microseconds=999_999)


class End(NamedTuple):
    """An explicit end: of a bot's session, or by an agent."""

    ref: FactRef
    session: BotSession | None = None


class Classification(NamedTuple):
    """The classification of a conversation, with the fields of `domain.conversations.conversation.Conversation`.
    `reason` is set exactly when the conversation is unmanaged."""

    status: Status
    closed_at: datetime | None
    managed: bool
    reason: Reason | None
    because: tuple[FactId, ...]


def _explicit_end(evidence: Evidence, decisions: Decisions) -> End | None:
    """Returns the first end that counts. An end counts if the customer wrote nothing after it. A bot's end counts only
    for the latest session, and only if the conversation was not routed at or before it: a routed conversation waits
    for a human until its window ends."""
    if not evidence.agent_ends and not evidence.sessions:
        return None
    ends = [End(ref) for ref in evidence.agent_ends]
    if evidence.sessions:
        session = max(evidence.sessions.values(), key=lambda session: session.began)
        to_humans = (evidence.route and evidence.route.ref, evidence.agent_took, decisions.first_owned)
        routed = min((ref.at for ref in to_humans if ref), default=None)
        if session.ended is not None and (routed is None or routed > session.ended.at):
            ends.append(End(session.ended, session))
    return min((end for end in ends if _counts(end, evidence)), key=lambda end: end.ref, default=None)


def _counts(end: End, evidence: Evidence) -> bool:
    """Returns whether the customer wrote nothing after the end."""
    last = evidence.last_message
    return last is None or not is_after(last, end, evidence)


def latest(at: datetime) -> datetime:
    """Returns the latest moment that a time may stand for: Meta's times are whole seconds."""
    return at + _ALMOST_A_SECOND if at.microsecond == 0 else at


def is_after(turn: FactRef, end: End, evidence: Evidence) -> bool:
    """Returns whether a turn, known to the evidence or new, counts as written after an end.

    Meta's times are whole seconds: a message of 12:00:05 may have been written at 12:00:05.9, after an agent closed the
    conversation at 12:00:05.8. That customer must not be taken for answered, so a turn of the second of an end is after
    it, except the turn that opened the conversation or the bot's session."""
    if turn.at > end.ref.at:
        return True
    first = evidence.first_turn or evidence.unreadable
    if latest(turn.at) <= end.ref.at or first is None or turn <= first:
        return False
    return not (end.session is not None and _opened(end.session, turn, evidence))


def _opened(session: BotSession, turn: FactRef, evidence: Evidence) -> bool:
    """Returns whether a turn of the last second with turns opened the session: the first one of its second."""
    first = evidence.first_of_last_second
    is_first = first is None or first.at != turn.at or turn <= first
    return is_first and turn.at == session.began.at.replace(microsecond=0)


def ended(conversation: Conversation) -> End | None:
    """Returns the explicit end, if it was before the end of the window."""
    end = _explicit_end(conversation.evidence, conversation.decisions)
    return end if end is not None and end.ref.at < conversation.window_ends_at else None


def classify(conversation: Conversation, followed: bool, number: Number, now: datetime) -> Classification:
    """Returns the classification at `now` (aware UTC). `followed`: the customer has a later conversation with the
    number, so this one is over even before its window ends."""
    evidence, decisions = conversation.evidence, conversation.decisions
    end = ended(conversation)
    closed = end is not None or followed or now >= conversation.window_ends_at
    closed_at = (end.ref.at if end else conversation.window_ends_at) if closed else None
    managed = evidence.touch is not None or _is_closed_by_holder(conversation)
    reason, because = None, tuple[FactId, ...]()
    if not managed and (closed or decisions.owner is None):
        reason, because = _reason(conversation, closed, end, number)
    return Classification("closed" if closed else "active", closed_at, managed, reason, because)


def _is_closed_by_holder(conversation: Conversation) -> bool:
    """Returns whether the agent who had the conversation closed it and said how it ended. This is human interaction; a
    closing by anybody else, or without outcome and note, is not (domain.md, *Human interaction*)."""
    evidence = conversation.evidence
    return any(
        end.at < conversation.window_ends_at
        and agent == holder_at(conversation, end.at)
        and _counts(End(end), evidence)
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
