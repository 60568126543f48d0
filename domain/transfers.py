"""Transfers, offers and what ends them (mission.md, *Ours to define*; domain.md, *Transfers*, *Presence and routing*).

Every function takes the decisions as they stand and gives the next ones, or says why not; `domain.thread.decide` makes
events of them. Whoever calls holds the customer's lock, then the users'.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.commands import Rejection, Transfer
from domain.conversation import Conversation, Decision, Decisions, Mark, Owner
from domain.directory import Directory
from domain.people import Member, choose

_BEFORE_END = timedelta(minutes=5)
"""A reservation ends this long before the window closes, so that somebody can still act."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Settings of the rules. `reservation`: how long an exclusive transfer waits; `offer`: how long an agent may take
    to accept; `silent`: a desk that says nothing for this long is offline."""

    reservation: timedelta = timedelta(minutes=30)
    offer: timedelta = timedelta(seconds=60)
    silent: timedelta = timedelta(seconds=300)


def refused(conversation: Conversation | None, expected_version: int | None) -> Rejection | None:
    """What any transfer is refused for before its target is looked at, in the promised order."""
    if conversation is None:
        return Rejection.CONVERSATION_UNKNOWN
    if conversation.status == "closed":
        return Rejection.CONVERSATION_CLOSED
    if expected_version is not None and expected_version != conversation.version:
        return Rejection.VERSION_CONFLICT
    if conversation.managed:
        return Rejection.ALREADY_MANAGED
    if conversation.owner is not None:
        return Rejection.ALREADY_ASSIGNED
    return None


def transfer(
    conversation: Conversation,
    command: Transfer,
    directory: Directory,
    members: Mapping[str, Member],
    here: Mark,
    terms: Terms,
) -> Decisions | Rejection:
    """The next decisions of a conversation that `refused` lets pass. `members`: at least the target, or the members of
    the target skillset; `here`: now and the command."""
    target, now = command.target, here.at
    if target.kind == "user" and target.id not in directory.users:
        return Rejection.USER_UNKNOWN
    if target.kind == "skillset" and target.id not in directory.skillsets:
        return Rejection.SKILLSET_UNKNOWN
    if command.mode == "exclusive":
        until = reserved_until(conversation, now, terms)
        if until is None:
            return Rejection.WINDOW_CLOSING
        owner = Owner(target.kind, target.id, "reserved", until)
        return replace(_given(conversation.decisions, owner, "transferred", here), queued_at=now)
    if target.kind == "user":
        member = members[target.id]
        if not member.is_ready(now, terms.silent):
            return Rejection.USER_NOT_READY
        if member.free == 0:
            return Rejection.USER_AT_CAPACITY
        chosen, next_of = member, None
    else:
        found = choose((m for m in members.values() if target.id in m.skillsets), now, terms.silent)
        if found is None:
            return Rejection.NO_AGENT_READY
        chosen, next_of = found, target.id
    given = _given(conversation.decisions, _offer(chosen, now, terms), "transferred", here)
    return replace(given, next_of=next_of)


def take(command: Transfer, issuer: str, directory: Directory, members: Mapping[str, Member]) -> Rejection | None:
    """*Take it*: somebody transfers a conversation to themselves at once. That needs no presence, only a free slot, and
    counts as accepted."""
    if issuer not in directory.users:
        return Rejection.USER_UNKNOWN
    return Rejection.USER_AT_CAPACITY if members[issuer].free == 0 else None


def is_taking(command: Transfer, issuer: str) -> bool:
    """Whether a transfer is *take it*."""
    return command.mode == "immediate" and command.target.kind == "user" and command.target.id == issuer


def recall(conversation: Conversation, here: Mark) -> Decisions | Rejection:
    """Undo what nobody accepted yet: queued, reserved, assigned."""
    owner = conversation.owner
    if conversation.status == "closed":
        return Rejection.CONVERSATION_CLOSED
    if owner is None or owner.state == "accepted":
        return Rejection.NOTHING_TO_RECALL
    return _freed(conversation.decisions, "recalled", here)


def offer(conversation: Conversation, member: Member, here: Mark, terms: Terms) -> Decisions:
    """A queued or reserved conversation goes to an available member; it goes back there if they do not accept."""
    decisions = conversation.decisions
    waits = decisions.owner
    given = _given(decisions, _offer(member, here.at, terms), "offered", here)
    return replace(given, waits=waits, queued_at=decisions.queued_at, passed=decisions.passed)


def may_get(conversation: Conversation, member: Member) -> bool:
    """Whether the conversation waits for this member, and they did not let it pass since their last presence event."""
    owner = conversation.owner
    if owner is None or owner.state not in ("queued", "reserved"):
        return False
    meant = owner.id == member.id if owner.kind == "user" else owner.id in member.skillsets
    return meant and not _passed(conversation.decisions, member)


def not_accepted(conversation: Conversation, candidates: Iterable[Member], here: Mark, terms: Terms) -> Decisions:
    """An offer that was declined or that nobody accepted in time. What came from a queue or a reservation waits again;
    an immediate transfer to a skillset goes to its next member, if there is one; else it is nobody's. `candidates`: the
    members of `next_of`."""
    decisions = conversation.decisions
    owner = decisions.owner
    assert owner is not None
    how: Decision = "declined" if decisions.last == "declined" else "lapsed"
    passed = (*((agent, at) for agent, at in decisions.passed if agent != owner.id), (owner.id, here.at))
    waits = decisions.waits
    if waits is not None and (waits.until is None or waits.until > here.at):
        again = _given(decisions, waits, how, here)
        return replace(again, queued_at=decisions.queued_at, passed=passed)
    after = replace(decisions, passed=passed)
    if decisions.next_of is not None:
        free = (m for m in candidates if decisions.next_of in m.skillsets and not _passed(after, m))
        chosen = choose(free, here.at, terms.silent)
        if chosen is not None:
            given = _given(after, _offer(chosen, here.at, terms), "transferred", here)
            return replace(given, next_of=decisions.next_of, passed=passed)
    return replace(_freed(decisions, how, here), passed=passed)


def expired(conversation: Conversation, here: Mark) -> Decisions:
    """A reservation whose time is over: unmanaged again, with that reason."""
    return _freed(conversation.decisions, "expired", here)


def reserved_until(conversation: Conversation, now: datetime, terms: Terms) -> datetime | None:
    """The end of a reservation made now; None: the window closes too soon."""
    latest = conversation.window_ends_at - _BEFORE_END
    return min(now + terms.reservation, latest) if latest > now else None


def _offer(member: Member, now: datetime, terms: Terms) -> Owner:
    return Owner("user", member.id, "assigned", now + terms.offer)


def _passed(decisions: Decisions, member: Member) -> bool:
    return any(
        agent == member.id and (member.state_at is None or member.state_at <= at) for agent, at in decisions.passed
    )


def _given(decisions: Decisions, owner: Owner, last: Decision, here: Mark) -> Decisions:
    owned = here if decisions.owned is None else min(decisions.owned, here)
    return Decisions(owner=owner, owned=owned, last=last, because=here)


def _freed(decisions: Decisions, last: Decision, here: Mark) -> Decisions:
    return Decisions(owned=decisions.owned, last=last, because=here)
