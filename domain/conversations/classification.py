"""What a conversation is at a moment: active or closed, managed or not, and if nobody took care of it, why.

A pure function of evidence, decisions, number and `now`; nothing here remembers.
"""

from datetime import datetime
from typing import NamedTuple

from domain.conversations.conversation import Conversation, Decisions, Evidence, FactRef, Status
from domain.conversations.reasons import Reason
from domain.directory import Number
from domain.ids import FactId


class End(NamedTuple):
    """An explicit end, by a bot or by an agent."""

    mark: FactRef
    by_bot: bool


class Classification(NamedTuple):
    """See `domain.conversations.conversation.Conversation`. A `reason` is given exactly when the
    conversation is unmanaged."""

    status: Status
    closed_at: datetime | None
    managed: bool
    reason: Reason | None
    because: tuple[FactId, ...]


def _explicit_end(evidence: Evidence, decisions: Decisions) -> End | None:
    """The first end that counts. An end counts if the customer wrote nothing after it; a bot's only for its latest
    session, and only if nothing routed the conversation at or before it (then a human is to come, and the window goes
    on)."""
    if not evidence.agent_ends and not evidence.sessions:
        return None
    last_turn = evidence.last_turn
    ends = [End(mark, by_bot=False) for mark in evidence.agent_ends]
    if evidence.sessions:
        ended = max(evidence.sessions.values(), key=lambda session: session.began).ended
        to_humans = (evidence.route and evidence.route.mark, evidence.agent_took, decisions.first_owned)
        routed = min((mark.at for mark in to_humans if mark), default=None)
        if ended is not None and (routed is None or routed > ended.at):
            ends.append(End(ended, by_bot=True))
    standing = [end for end in ends if last_turn is None or end.mark.at >= last_turn.at]
    return min(standing, key=lambda end: end.mark, default=None)


def ended(conversation: Conversation) -> End | None:
    """The explicit end, if it came before the window's."""
    end = _explicit_end(conversation.evidence, conversation.decisions)
    return end if end is not None and end.mark.at < conversation.window_ends_at else None


def classify(conversation: Conversation, followed: bool, number: Number, now: datetime) -> Classification:
    """`followed`: the customer has a later conversation here, so this one is over, whatever the clock says."""
    evidence, decisions = conversation.evidence, conversation.decisions
    end = ended(conversation)
    closed = end is not None or followed or now >= conversation.window_ends_at
    closed_at = (end.mark.at if end else conversation.window_ends_at) if closed else None
    managed = evidence.touch is not None
    reason, because = None, tuple[FactId, ...]()
    if not managed and (closed or decisions.owner is None):
        reason, because = _reason(evidence, decisions, closed, end, number)
    return Classification("closed" if closed else "active", closed_at, managed, reason, because)


def _reason(
    evidence: Evidence, decisions: Decisions, closed: bool, end: End | None, number: Number
) -> tuple[Reason, tuple[FactId, ...]]:
    """The first that fits (domain.md, Reason), with the facts that decided it. A choice that came too late to be queued
    was still a choice: nobody took it."""
    last_turn = evidence.last_turn
    last = (last_turn.fact,) if last_turn else ()
    if end is not None and end.by_bot:
        return Reason.BOT_CLOSED, (end.mark.fact,)
    if closed:
        wanted = evidence.route.mark if evidence.route else decisions.first_owned
        if wanted is not None:
            return Reason.NOBODY_TOOK_IT, (wanted.fact,)
    decided = (decisions.because.fact,) if decisions.because else last
    if decisions.last == "expired":
        return Reason.RESERVATION_EXPIRED, decided
    if decisions.last in ("declined", "lapsed", "removed"):
        return Reason.NOBODY_TOOK_IT, decided
    if evidence.in_hours is None:
        return Reason.OUT_OF_HOURS, last
    if not number.menu and not number.softbot:
        return Reason.NUMBER_HAS_NO_MENU, last
    if evidence.failed_choice is not None:
        return Reason.INVALID_CHOICE, (evidence.failed_choice.fact,)
    return Reason.NO_CHOICE, last
