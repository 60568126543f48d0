"""When a conversation ended explicitly: by the end of the bot's session, or because an agent closed it. It also says
which messages count as written after an end."""

from datetime import datetime, timedelta
from typing import NamedTuple

from domain.conversations.conversation import BotSession, Conversation, Decisions, Evidence, FactRef

_ALMOST_A_SECOND = timedelta(microseconds=999_999)


class End(NamedTuple):
    """An explicit end: of a bot's session, or by an agent."""

    ref: FactRef
    session: BotSession | None = None


def ended(conversation: Conversation) -> End | None:
    """Returns the explicit end, if it was before the end of the window."""
    end = _explicit_end(conversation.evidence, conversation.decisions)
    return end if end is not None and end.ref.at < conversation.window_ends_at else None


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
    return min((end for end in ends if counts(end, evidence)), key=lambda end: end.ref, default=None)


def counts(end: End, evidence: Evidence) -> bool:
    """Returns whether the customer wrote nothing after an end."""
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
