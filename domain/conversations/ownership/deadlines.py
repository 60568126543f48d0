"""Until when an owner may act: the end of a reservation, and the time for the first word after an acceptance."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.conversations.conversation import Conversation, Decisions

_BEFORE_END = timedelta(minutes=5)
"""A reservation ends this long before the window, so that a person can still act."""


def reservation_end(reserved_to: datetime, window_ends_at: datetime) -> datetime:
    """Returns the end of a reservation that by its own term ends at `reserved_to` (mission.md, *exclusive*)."""
    return min(reserved_to, window_ends_at - _BEFORE_END)


@dataclass(frozen=True, slots=True)
class AnswerPolicy:
    """The settings of how long an agent who accepted a conversation has until the first word to the customer. `within`:
    from the acceptance; `before_end`: that long before the window ends, if that is earlier, so that another agent can
    still act; `at_least`: from the acceptance in any case. `reply`: how long, within the number's hours, a customer who
    was answered and wrote again waits until the conversation goes to the list."""

    within: timedelta = timedelta(minutes=10)
    before_end: timedelta = timedelta(minutes=30)
    at_least: timedelta = timedelta(minutes=3)
    reply: timedelta = timedelta(minutes=10)


DEFAULT_ANSWER = AnswerPolicy()


def answer_by(accepted_at: datetime, window_ends_at: datetime, policy: AnswerPolicy) -> datetime:
    """Returns when a conversation goes back to the list if nobody has written to the customer."""
    return max(min(accepted_at + policy.within, window_ends_at - policy.before_end), accepted_at + policy.at_least)


def reserved_within(decisions: Decisions, window_ends_at: datetime) -> Decisions:
    """Moves the end of a reservation with the window, also while it is being offered: it may return to waiting."""
    if decisions.reserved_to is None:
        return decisions
    until = reservation_end(decisions.reserved_to, window_ends_at)
    owner, waits = (
        each._replace(until=until) if each is not None and each.state == "reserved" else each
        for each in (decisions.owner, decisions.returns_to)
    )
    return decisions._replace(owner=owner, returns_to=waits)


def unparked(decisions: Decisions, at: datetime, window_ends_at: datetime) -> Decisions:
    """Ends the parking, if there is one: the reservation begins with a message that the customer wrote at `at`, but not
    before the parking."""
    parked, because = decisions.parked_until, decisions.because
    if parked is None or because is None:
        return decisions
    begins = min(parked, max(at, because.at))
    reserved_to = decisions.reserved_to and decisions.reserved_to - (parked - begins)
    return reserved_within(
        decisions._replace(parked_until=None, queued_at=begins, reserved_to=reserved_to), window_ends_at
    )


def with_deadlines(conversation: Conversation, is_closed: bool, managed: bool, policy: AnswerPolicy) -> Decisions:
    """Returns the decisions of a conversation that was just classified: without an owner who must not act any more, and
    with the time by which an agent who accepted has to write."""
    decisions = conversation.decisions
    owner = decisions.owner
    if owner is None:
        return decisions
    if is_closed or (managed and owner.state != "accepted"):
        # over, or answered by another person than the owner: it must not be offered any more
        return decisions._replace(owner=None, queued_at=None)
    if owner.state != "accepted":
        return decisions
    accepted = decisions.because
    until = None if managed or accepted is None else answer_by(accepted.at, conversation.window_ends_at, policy)
    return decisions if until == owner.until else decisions._replace(owner=owner._replace(until=until))
