"""Transfers, offers, and how they end (mission.md, *Ours to define*; domain.md, *Transfers*, *Presence and routing*).

Every function takes the current decisions and returns the next ones, or a rejection;
`domain.conversations.fold.decide` turns decisions into events. The caller holds the customer's lock, then the users'.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.commands import Rejection, Transfer
from domain.conversations.conversation import (
    Conversation,
    Decision,
    Decisions,
    FactRef,
    Owner,
    Released,
    decision_ref,
    earlier,
)
from domain.conversations.ownership.deadlines import DEFAULT_ANSWER, AnswerPolicy, reservation_end
from domain.directory import Directory
from domain.ids import fact_id
from domain.routing.agents import Member, next_agent


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """The settings of routing. `reservation`: how long an exclusive transfer waits; `offer`: how long an agent may take
    to accept; `presence_timeout`: an agent whose desktop has reported nothing for this long is offline; `answer`: how
    long an agent who accepted may take until the first word to the customer."""

    reservation: timedelta = timedelta(minutes=30)
    offer: timedelta = timedelta(seconds=60)
    presence_timeout: timedelta = timedelta(seconds=300)
    answer: AnswerPolicy = DEFAULT_ANSWER


def has_changed(conversation: Conversation | None, expected_version: int | None) -> bool:
    """Returns whether a conversation has another version than a command expects, if it expects one."""
    return conversation is not None and expected_version is not None and expected_version != conversation.version


def rejection_of(conversation: Conversation | None, expected_version: int | None) -> Rejection | None:
    """Returns why a transfer is rejected regardless of its target, checked in the documented order (domain.md,
    *Transfers*); None: not for these reasons."""
    if conversation is None:
        return Rejection.CONVERSATION_UNKNOWN
    if conversation.status == "closed":
        return Rejection.CONVERSATION_CLOSED
    if has_changed(conversation, expected_version):
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
    ref: FactRef,
    policy: RoutingPolicy,
) -> Decisions | Rejection:
    """Returns the next decisions of a conversation that `rejection_of` does not reject, or a rejection. `members`: at
    least the target, or the members of the target skillset; `ref`: the current time and the command."""
    target, now = command.target, ref.at
    if target.kind == "user" and target.id not in directory.users:
        return Rejection.USER_UNKNOWN
    if target.kind == "skillset" and target.id not in directory.skillsets:
        return Rejection.SKILLSET_UNKNOWN
    if command.mode == "exclusive":
        minutes = command.reserve_minutes
        reserved_to = now + (policy.reservation if minutes is None else timedelta(minutes=minutes))
        until = reservation_end(reserved_to, conversation.window_ends_at)
        if until <= now:
            return Rejection.WINDOW_CLOSING
        owner = Owner(target.kind, target.id, "reserved", until)
        owned = with_owner(conversation.decisions, owner, "transferred", ref)
        return owned._replace(queued_at=now, reserved_to=reserved_to)
    if target.kind == "user":
        member = members[target.id]
        if not member.is_ready(now, policy.presence_timeout):
            return Rejection.USER_NOT_READY
        if member.free_capacity == 0:
            return Rejection.USER_AT_CAPACITY
        chosen, next_of = member, None
    else:
        found = next_agent((m for m in members.values() if target.id in m.skillsets), now, policy.presence_timeout)
        if found is None:
            return Rejection.NO_AGENT_READY
        chosen, next_of = found, target.id
    owned = with_owner(conversation.decisions, _offer(chosen, now, policy), "transferred", ref)
    return owned._replace(next_of=next_of)


def take_rejection(
    command: Transfer, issuer: str, directory: Directory, members: Mapping[str, Member]
) -> Rejection | None:
    """Returns why a *take it* is rejected: a user's immediate transfer of a conversation to themselves. This needs free
    capacity but no presence, and counts as accepted."""
    if issuer not in directory.users:
        return Rejection.USER_UNKNOWN
    return Rejection.USER_AT_CAPACITY if members[issuer].free_capacity == 0 else None


def is_taking(command: Transfer, issuer: str) -> bool:
    """Returns whether a transfer is *take it* (see `take_rejection`)."""
    return command.mode == "immediate" and command.target.kind == "user" and command.target.id == issuer


def recall(
    conversation: Conversation, expected_version: int | None, issuer: str, ref: FactRef
) -> Decisions | Rejection:
    """Returns the decisions after a recall, which removes an owner that is queued, reserved or assigned; or one who
    accepted, if nobody has written to the customer and the issuer is that owner, who gives it back. With
    `expected_version`, only if the conversation still has that version."""
    owner = conversation.owner
    if conversation.status == "closed":
        return Rejection.CONVERSATION_CLOSED
    if has_changed(conversation, expected_version):
        return Rejection.VERSION_CONFLICT
    if owner is None or (owner.state == "accepted" and (conversation.managed or owner.id != issuer)):
        return Rejection.NOTHING_TO_RECALL
    if owner.state == "accepted":
        return taken_from_owner(conversation, "given_back", ref)
    return _without_owner(conversation.decisions, "recalled", ref)


def offer(conversation: Conversation, member: Member, ref: FactRef, policy: RoutingPolicy) -> Decisions:
    """Offers a queued or reserved conversation to an available member. If the member does not accept, the conversation
    returns to the queue or reservation."""
    decisions = conversation.decisions
    returns_to = decisions.owner
    owned = with_owner(decisions, _offer(member, ref.at, policy), "offered", ref)
    return owned._replace(
        returns_to=returns_to,
        queued_at=decisions.queued_at,
        declined_by=decisions.declined_by,
        reserved_to=decisions.reserved_to,
    )


def is_parked(conversation: Conversation, now: datetime) -> bool:
    """Returns whether the conversation is not offered before a later time."""
    return conversation.parked_until is not None and conversation.parked_until > now


def waits_for(conversation: Conversation, member: Member, watermark: datetime) -> bool:
    """Returns whether the conversation waits for this member, whatever they did with it. A reservation that is over at
    the inbound watermark waits for nobody, even before the timer has noticed."""
    owner = conversation.owner
    if owner is None or owner.state not in ("queued", "reserved") or has_expired(conversation, watermark):
        return False
    return owner.id == member.id if owner.kind == "user" else owner.id in member.skillsets


def is_eligible(conversation: Conversation, member: Member, watermark: datetime) -> bool:
    """Returns whether the conversation waits for this member (`waits_for`), and the member has not declined or missed
    it since their last presence event."""
    return waits_for(conversation, member, watermark) and not _has_declined(conversation.decisions, member)


def after_missed_offer(
    conversation: Conversation,
    members: Mapping[str, Member],
    directory: Directory,
    ref: FactRef,
    policy: RoutingPolicy,
    watermark: datetime | None = None,
) -> Decisions:
    """Returns the decisions after an offer was declined, or was not accepted in time.

    A conversation from a queue, or from a reservation that is not over at the inbound watermark, waits there again, if
    that still exists. An immediate transfer to a skillset is offered to the next available member. Otherwise the
    conversation has no owner any more. `members`: the agent who had the offer, and the members of `next_of`.
    `watermark`: if that is not the time of `ref`."""
    decisions = conversation.decisions
    owner = decisions.owner
    assert owner is not None
    decision: Decision = "declined" if decisions.last == "declined" else "lapsed"
    # by the clock of the agent desktop, which is not ours: an event after this time is the next presence event
    holder = members.get(owner.id)
    since = holder.state_at if holder is not None and holder.state_at is not None else ref.at
    declined_by = (*((agent, at) for agent, at in decisions.declined_by if agent != owner.id), (owner.id, since))
    returns_to = decisions.returns_to
    in_time = returns_to is not None and (returns_to.until is None or returns_to.until > (watermark or ref.at))
    if returns_to is not None and in_time and _exists(returns_to, directory):
        again = with_owner(decisions, returns_to, decision, ref)
        return again._replace(queued_at=decisions.queued_at, declined_by=declined_by, reserved_to=decisions.reserved_to)
    after = decisions._replace(declined_by=declined_by)
    if decisions.next_of is not None:
        free = (m for m in members.values() if decisions.next_of in m.skillsets and not _has_declined(after, m))
        chosen = next_agent(free, ref.at, policy.presence_timeout)
        if chosen is not None:
            owned = with_owner(after, _offer(chosen, ref.at, policy), "transferred", ref)
            return owned._replace(next_of=decisions.next_of, declined_by=declined_by)
    return _without_owner(decisions, decision, ref)._replace(declined_by=declined_by)


def has_expired(conversation: Conversation, now: datetime) -> bool:
    """Returns whether the conversation is reserved and the reservation is over at `now`."""
    owner = conversation.owner
    return owner is not None and owner.state == "reserved" and owner.until is not None and owner.until <= now


def expiry_ref(conversation: Conversation, now: datetime) -> FactRef:
    """Returns the reference of a reservation's end, for `after_expiry`. Its id is the same for every process that
    notices the end."""
    return decision_ref(now, fact_id("reservation", str(conversation.id), str(conversation.version)))


def after_expiry(conversation: Conversation, ref: FactRef) -> Decisions:
    """Returns the decisions after a reservation expired: unmanaged again, with that reason."""
    return _without_owner(conversation.decisions, "expired", ref)


def is_overdue(conversation: Conversation, now: datetime) -> bool:
    """Returns whether an agent accepted the conversation, and nobody had written to the customer in time at `now`."""
    owner = conversation.owner
    return owner is not None and owner.state == "accepted" and owner.until is not None and owner.until <= now


def overdue_ref(conversation: Conversation, now: datetime) -> FactRef:
    """Returns the reference of the end of an acceptance, for `after_overdue`; as `expiry_ref`."""
    return decision_ref(now, fact_id("acceptance", str(conversation.id), str(conversation.version)))


def after_overdue(conversation: Conversation, ref: FactRef) -> Decisions:
    """Returns the decisions after an acceptance without a word in time: unmanaged again, with that reason."""
    return taken_from_owner(conversation, "unanswered", ref)


def is_reply_missing(conversation: Conversation, now: datetime) -> bool:
    """Returns whether the customer was answered, wrote again, and had no reply in time at `now`."""
    return conversation.reply_by is not None and conversation.reply_by <= now


def no_reply_ref(conversation: Conversation, now: datetime) -> FactRef:
    """Returns the reference of the end of the wait for a reply, for `after_no_reply`; as `expiry_ref`."""
    return decision_ref(now, fact_id("reply", str(conversation.id), str(conversation.version)))


def after_no_reply(conversation: Conversation, ref: FactRef) -> Decisions:
    """Returns the decisions after a reply did not come in time: unmanaged, with that reason, until a word that is later
    than the customer's last message."""
    waiting = conversation.evidence.last_message
    assert waiting is not None
    return taken_from_owner(conversation, "no_reply", ref)._replace(released=Released(waiting))


def after_removal(conversation: Conversation, ref: FactRef) -> Decisions:
    """Returns the decisions after the user or skillset was removed from the directory before anybody wrote to the
    customer."""
    return taken_from_owner(conversation, "removed", ref)


def _exists(owner: Owner, directory: Directory) -> bool:
    return owner.id in (directory.users if owner.kind == "user" else directory.skillsets)


def _offer(member: Member, now: datetime, policy: RoutingPolicy) -> Owner:
    return Owner("user", member.id, "assigned", now + policy.offer)


def _has_declined(decisions: Decisions, member: Member) -> bool:
    return any(
        agent == member.id and (member.state_at is None or member.state_at <= at) for agent, at in decisions.declined_by
    )


def with_owner(decisions: Decisions, owner: Owner, last: Decision, ref: FactRef) -> Decisions:
    """Returns the decisions with an owner, without anything that was decided about an earlier one but the boundaries up
    to which words and claims no longer count."""
    first_owned = earlier(decisions.first_owned, ref)
    return Decisions(
        owner=owner,
        first_owned=first_owned,
        last=last,
        because=ref,
        claimable_from=decisions.claimable_from,
        released=decisions.released,
    )


def _without_owner(decisions: Decisions, last: Decision, ref: FactRef) -> Decisions:
    return Decisions(
        first_owned=decisions.first_owned,
        last=last,
        because=ref,
        claimable_from=decisions.claimable_from,
        released=decisions.released,
    )


def taken_from_owner(conversation: Conversation, last: Decision, ref: FactRef) -> Decisions:
    """Returns the decisions without an owner, who may have accepted. None of the agents who accepted until now has the
    conversation any more, also where the clock of their desktop is ahead of ours."""
    decisions, claims = conversation.decisions, conversation.evidence.claims
    if not claims:
        return _without_owner(decisions, last, ref)
    claimable_from = max(ref.at, *(claim.last.at for claim in claims))
    return _without_owner(decisions, last, ref)._replace(claimable_from=claimable_from)
