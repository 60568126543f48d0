"""Transfers, offers and what ends them (mission.md, *Ours to define*; domain.md, *Transfers*, *Presence and routing*).

Every function takes the decisions as they stand and gives the next ones, or says why not;
`domain.conversations.fold.decide` makes events of them. Whoever calls holds the customer's lock, then the users'.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.commands import Rejection, Transfer
from domain.conversations.conversation import Conversation, Decision, Decisions, FactRef, Owner
from domain.conversations.window import reservation_end
from domain.directory import Directory
from domain.ids import fact_id
from domain.routing.agents import Member, next_agent


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """The settings of routing. `reservation`: how long an exclusive transfer waits; `offer`: how long an agent may take
    to accept; `presence_timeout`: an agent whose desktop has reported nothing for this long is offline."""

    reservation: timedelta = timedelta(minutes=30)
    offer: timedelta = timedelta(seconds=60)
    presence_timeout: timedelta = timedelta(seconds=300)


def rejection_of(conversation: Conversation | None, expected_version: int | None) -> Rejection | None:
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
    here: FactRef,
    terms: RoutingPolicy,
) -> Decisions | Rejection:
    """The next decisions of a conversation that `rejection_of` does not reject. `members`: at least the target, or the
    members of the target skillset; `here`: now and the command."""
    target, now = command.target, here.at
    if target.kind == "user" and target.id not in directory.users:
        return Rejection.USER_UNKNOWN
    if target.kind == "skillset" and target.id not in directory.skillsets:
        return Rejection.SKILLSET_UNKNOWN
    if command.mode == "exclusive":
        reserved_to = now + terms.reservation
        until = reservation_end(reserved_to, conversation.window_ends_at)
        if until <= now:
            return Rejection.WINDOW_CLOSING
        owner = Owner(target.kind, target.id, "reserved", until)
        given = _given(conversation.decisions, owner, "transferred", here)
        return given._replace(queued_at=now, reserved_to=reserved_to)
    if target.kind == "user":
        member = members[target.id]
        if not member.is_ready(now, terms.presence_timeout):
            return Rejection.USER_NOT_READY
        if member.free_capacity == 0:
            return Rejection.USER_AT_CAPACITY
        chosen, next_of = member, None
    else:
        found = next_agent((m for m in members.values() if target.id in m.skillsets), now, terms.presence_timeout)
        if found is None:
            return Rejection.NO_AGENT_READY
        chosen, next_of = found, target.id
    given = _given(conversation.decisions, _offer(chosen, now, terms), "transferred", here)
    return given._replace(next_of=next_of)


def take_rejection(
    command: Transfer, issuer: str, directory: Directory, members: Mapping[str, Member]
) -> Rejection | None:
    """*Take it*: somebody transfers a conversation to themselves at once. That needs no presence, only a free slot, and
    counts as accepted."""
    if issuer not in directory.users:
        return Rejection.USER_UNKNOWN
    return Rejection.USER_AT_CAPACITY if members[issuer].free_capacity == 0 else None


def is_taking(command: Transfer, issuer: str) -> bool:
    """Whether a transfer is *take it*."""
    return command.mode == "immediate" and command.target.kind == "user" and command.target.id == issuer


def recall(conversation: Conversation, expected_version: int | None, here: FactRef) -> Decisions | Rejection:
    """Undo what nobody accepted yet: queued, reserved, assigned. With a version: only if the owner is still the one
    that whoever asks had seen."""
    owner = conversation.owner
    if conversation.status == "closed":
        return Rejection.CONVERSATION_CLOSED
    if expected_version is not None and expected_version != conversation.version:
        return Rejection.VERSION_CONFLICT
    if owner is None or owner.state == "accepted":
        return Rejection.NOTHING_TO_RECALL
    return _freed(conversation.decisions, "recalled", here)


def offer(conversation: Conversation, member: Member, here: FactRef, terms: RoutingPolicy) -> Decisions:
    """A queued or reserved conversation goes to an available member; it goes back there if they do not accept."""
    decisions = conversation.decisions
    waits = decisions.owner
    given = _given(decisions, _offer(member, here.at, terms), "offered", here)
    return given._replace(
        returns_to=waits,
        queued_at=decisions.queued_at,
        declined_by=decisions.declined_by,
        reserved_to=decisions.reserved_to,
    )


def is_eligible(conversation: Conversation, member: Member, now: datetime) -> bool:
    """Whether the conversation waits for this member, and they did not let it pass since their last presence event. A
    reservation that is over waits for nobody, also before the timer says so."""
    owner = conversation.owner
    if owner is None or owner.state not in ("queued", "reserved") or has_expired(conversation, now):
        return False
    meant = owner.id == member.id if owner.kind == "user" else owner.id in member.skillsets
    return meant and not _passed(conversation.decisions, member)


def after_missed_offer(
    conversation: Conversation, members: Mapping[str, Member], directory: Directory, here: FactRef, terms: RoutingPolicy
) -> Decisions:
    """An offer that was declined or that nobody accepted in time. What came from a queue or a reservation waits again,
    if that is still there; an immediate transfer to a skillset goes to its next member, if there is one; else it is
    nobody's. `members`: whoever had it, and the members of `next_of`."""
    decisions = conversation.decisions
    owner = decisions.owner
    assert owner is not None
    how: Decision = "declined" if decisions.last == "declined" else "lapsed"
    # by the desk's own clock, which is not ours: what comes later than this is the agent's next presence event
    had_it = members.get(owner.id)
    since = had_it.state_at if had_it is not None and had_it.state_at is not None else here.at
    passed = (*((agent, at) for agent, at in decisions.declined_by if agent != owner.id), (owner.id, since))
    waits = decisions.returns_to
    if waits is not None and _is_there(waits, directory) and (waits.until is None or waits.until > here.at):
        again = _given(decisions, waits, how, here)
        return again._replace(queued_at=decisions.queued_at, declined_by=passed, reserved_to=decisions.reserved_to)
    after = decisions._replace(declined_by=passed)
    if decisions.next_of is not None:
        free = (m for m in members.values() if decisions.next_of in m.skillsets and not _passed(after, m))
        chosen = next_agent(free, here.at, terms.presence_timeout)
        if chosen is not None:
            given = _given(after, _offer(chosen, here.at, terms), "transferred", here)
            return given._replace(next_of=decisions.next_of, declined_by=passed)
    return _freed(decisions, how, here)._replace(declined_by=passed)


def has_expired(conversation: Conversation, now: datetime) -> bool:
    """Whether a reservation has come to its end."""
    owner = conversation.owner
    return owner is not None and owner.state == "reserved" and owner.until is not None and owner.until <= now


def expiry_ref(conversation: Conversation, now: datetime) -> FactRef:
    """That a reservation is over, for `after_expiry`: the same whoever notices it first."""
    return FactRef(now, fact_id("reservation", str(conversation.id), str(conversation.version)))


def after_expiry(conversation: Conversation, here: FactRef) -> Decisions:
    """A reservation whose time is over: unmanaged again, with that reason."""
    return _freed(conversation.decisions, "expired", here)


def after_removal(conversation: Conversation, here: FactRef) -> Decisions:
    """Its user or skillset left the directory before anybody accepted: nobody took it."""
    return _freed(conversation.decisions, "removed", here)


def _is_there(owner: Owner, directory: Directory) -> bool:
    return owner.id in (directory.users if owner.kind == "user" else directory.skillsets)


def _offer(member: Member, now: datetime, terms: RoutingPolicy) -> Owner:
    return Owner("user", member.id, "assigned", now + terms.offer)


def _passed(decisions: Decisions, member: Member) -> bool:
    return any(
        agent == member.id and (member.state_at is None or member.state_at <= at) for agent, at in decisions.declined_by
    )


def _given(decisions: Decisions, owner: Owner, last: Decision, here: FactRef) -> Decisions:
    owned = here if decisions.first_owned is None else min(decisions.first_owned, here)
    return Decisions(owner=owner, first_owned=owned, last=last, because=here)


def _freed(decisions: Decisions, last: Decision, here: FactRef) -> Decisions:
    return Decisions(first_owned=decisions.first_owned, last=last, because=here)
