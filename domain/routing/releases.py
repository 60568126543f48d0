"""Giving a conversation away, taking it over and parking it (domain.md, *Releasing*): one command of its owner, of an
administrator, or of who supervises it, also after the first word to the customer.

The touch stays: a conversation that was released waits for a word that is written after it.
"""

from collections.abc import Mapping
from datetime import datetime

from domain.command_bodies.parts import Target
from domain.commands import Rejection, Release, Transfer
from domain.conversations.conversation import Conversation, Decisions, FactRef, Owner, Released
from domain.conversations.ownership.deadlines import reservation_end
from domain.directory import Directory
from domain.routing.agents import Member
from domain.routing.supervision import Supervision
from domain.routing.transfers import RoutingPolicy, has_changed, taken_from_owner, transfer, with_owner


def release_rejection(
    conversation: Conversation | None, command: Release, issuer: str, directory: Directory
) -> Rejection | None:
    """Returns why a release is rejected regardless of who is available, checked in the documented order (domain.md,
    *Releasing*); None: not for these reasons."""
    if conversation is None:
        return Rejection.CONVERSATION_UNKNOWN
    if conversation.status == "closed":
        return Rejection.CONVERSATION_CLOSED
    if has_changed(conversation, command.expected_version):
        return Rejection.VERSION_CONFLICT
    owner, target = conversation.owner, command.target
    if (owner is None or not owner.is_user(issuer)) and not _may_take_away(issuer, directory, conversation):
        return Rejection.NOT_YOURS
    if target is None:
        return Rejection.NOTHING_TO_RECALL if owner is None and command.park_until is None else None
    has_it = owner is not None and owner.state == "accepted" and owner.is_user(target.id)
    if target.kind == "user" and has_it and command.park_until is None:
        return Rejection.ALREADY_ASSIGNED
    if target.id not in (directory.users if target.kind == "user" else directory.skillsets):
        return Rejection.USER_UNKNOWN if target.kind == "user" else Rejection.SKILLSET_UNKNOWN
    return None


def is_taking_over(command: Release, issuer: str) -> bool:
    """Returns whether the issuer takes the conversation over, which counts as accepted."""
    target = command.target
    return command.mode == "immediate" and target is not None and target.kind == "user" and target.id == issuer


def release(
    conversation: Conversation,
    command: Release,
    issuer: str,
    directory: Directory,
    members: Mapping[str, Member],
    ref: FactRef,
    policy: RoutingPolicy,
) -> Decisions | Rejection:
    """Returns the next decisions of a conversation that `release_rejection` does not reject, or a rejection. `members`,
    `ref`: as for `domain.routing.transfers.transfer`."""
    owner = conversation.owner
    holder = owner.id if owner is not None and owner.kind == "user" else None
    free = taken_from_owner(conversation, "given_back", ref)
    if is_taking_over(command, issuer):
        return _taken_over(conversation, free, issuer, _without_this(members, owner), ref)
    freed = conversation._replace(decisions=free._replace(released=Released(ref, issuer, command.note)))
    if command.park_until is not None:
        target = command.target or _returns_to(owner, issuer)
        if target.kind == "user" and target.id not in directory.users:
            return Rejection.USER_UNKNOWN
        return _parked(freed, target, command.park_until, ref, policy)
    if command.target is None:
        return freed.decisions
    others = {name: member for name, member in members.items() if name != holder or command.target.kind == "user"}
    mode = command.mode or "exclusive"
    wanted = Transfer(conversation_id=command.conversation_id, target=command.target, mode=mode)
    given = transfer(freed, wanted, directory, others, ref, policy)
    if isinstance(given, Rejection) or holder is None:
        return given
    # who gives it to their own skillset does not mean themselves
    return given._replace(declined_by=((holder, ref.at),))


def _taken_over(
    conversation: Conversation, free: Decisions, issuer: str, members: Mapping[str, Member], ref: FactRef
) -> Decisions | Rejection:
    """Whether somebody has written to the customer stays as it is: who takes it over has a time for their own word."""
    if members[issuer].free_capacity == 0:
        return Rejection.USER_AT_CAPACITY
    taken = with_owner(free, Owner("user", issuer, "accepted"), "accepted", ref)
    return taken._replace(released=conversation.decisions.released)


def _parked(
    freed: Conversation, target: Target, until: datetime, ref: FactRef, policy: RoutingPolicy
) -> Decisions | Rejection:
    """Reserves the conversation from a time on."""
    reserved_to = until + policy.reservation
    ends = reservation_end(reserved_to, freed.window_ends_at)
    if ends <= until:
        return Rejection.WINDOW_CLOSING
    parked = with_owner(freed.decisions, Owner(target.kind, target.id, "reserved", ends), "transferred", ref)
    return parked._replace(queued_at=until, reserved_to=reserved_to, parked_until=until)


def _returns_to(owner: Owner | None, issuer: str) -> Target:
    return Target(kind="user", id=issuer) if owner is None else Target(kind=owner.kind, id=owner.id)


def _may_take_away(issuer: str, directory: Directory, conversation: Conversation) -> bool:
    """Whether the issuer is an administrator, or supervises the conversation."""
    user = directory.users.get(issuer)
    if user is None or user.level != "supervisor":
        return user is not None and user.level == "tenant_administrator"
    owner, number = conversation.owner, conversation.phone_number_id
    kind, id_ = (owner.kind, owner.id) if owner is not None else (None, "")
    is_nobodys = conversation.reason is not None or conversation.dismissed is not None
    return Supervision.of(user.skillsets, directory).covers(kind, id_, is_nobodys, number)


def _without_this(members: Mapping[str, Member], owner: Owner | None) -> Mapping[str, Member]:
    """Returns the members without the load of this conversation."""
    if owner is None or owner.state not in ("assigned", "accepted") or owner.id not in members:
        return members
    member = members[owner.id]
    return {**members, owner.id: member._replace(active_conversations=member.active_conversations - 1)}
