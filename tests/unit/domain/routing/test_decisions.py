"""The decisions of commands, offers and their ends, and why commands are rejected (domain.md, *Transfers*)."""

from datetime import timedelta

import pytest

from domain.command_bodies.parts import Target
from domain.commands import Rejection, Transfer
from domain.conversations.conversation import Conversation, Decision, Decisions, Owner, decision_ref
from domain.directory import Directory, User
from domain.ids import fact_id
from domain.routing.agents import Member
from domain.routing.transfers import (
    RoutingPolicy,
    after_expiry,
    after_missed_offer,
    after_removal,
    expiry_ref,
    has_expired,
    is_eligible,
    is_taking,
    offer,
    recall,
    rejection_of,
    take_rejection,
    transfer,
)
from tests.support.stories import DIRECTORY, FactMaker, Story, at

POLICY = RoutingPolicy()
HERE = decision_ref(at(1), fact_id("the command"))
EARLIER = decision_ref(at(0.5), fact_id("an earlier command"))
COMPANY = Directory(
    DIRECTORY.numbers,
    DIRECTORY.skillsets,
    {name: User(name, name, f"{name}@example.com", "agent", 2, ("sales",)) for name in ("anna", "ben")},
)
QUEUED = Owner("skillset", "sales", "queued")
RESERVED = Owner("skillset", "sales", "reserved", at(1.4))
RESERVED_FOR_ANNA = Owner("user", "anna", "reserved", at(1.4))
OFFERED = Owner("user", "anna", "assigned", at(1) + timedelta(seconds=60))
ACCEPTED = Owner("user", "anna", "accepted")
CONVERSATION = Story(at(1)).receive(FactMaker().turn(0, "hello")).history.conversations[0]


def conversation(**decided: object) -> Conversation:
    """An active conversation of a customer who wrote an hour ago, with these decisions."""
    return CONVERSATION._replace(decisions=Decisions(**decided))  # type: ignore[arg-type]


def member(name: str, *skillsets: str, active: int = 0, ready: bool = True) -> Member:
    """An agent who may have two conversations."""
    state = "ready" if ready else "paused"
    return Member(name, frozenset(skillsets or ("sales",)), 2, active, state, at(0.2), at(1), at(0))  # type: ignore[arg-type]


def members(*known: Member) -> dict[str, Member]:
    """Agents by their ids."""
    return {each.id: each for each in known}


def asked(kind: str, name: str, mode: str = "immediate") -> Transfer:
    """The command to transfer the conversation."""
    target = Target.model_validate({"kind": kind, "id": name})
    return Transfer.model_validate({"conversation_id": CONVERSATION.id, "target": target, "mode": mode})


# rejected


@pytest.mark.parametrize(
    ("changes", "version", "rejection"),
    [
        ({"status": "closed", "version": 3, "managed": True}, 2, Rejection.CONVERSATION_CLOSED),
        ({"version": 3, "managed": True}, 2, Rejection.VERSION_CONFLICT),
        ({"version": 3, "managed": True, "decisions": Decisions(ACCEPTED)}, 3, Rejection.ALREADY_MANAGED),
        ({"version": 3, "decisions": Decisions(QUEUED)}, None, Rejection.ALREADY_ASSIGNED),
        ({"version": 3}, 3, None),
        ({"version": 3}, None, None),
    ],
)
def test_a_transfer_is_rejected_for_the_first_reason_of_the_promised_order(
    changes: dict[str, object], version: int | None, rejection: Rejection | None
) -> None:
    assert rejection == rejection_of(CONVERSATION._replace(**changes), version)  # type: ignore[arg-type]


def test_a_transfer_of_an_unknown_conversation_is_rejected() -> None:
    assert Rejection.CONVERSATION_UNKNOWN == rejection_of(None, None)


@pytest.mark.parametrize(
    ("command", "known", "rejection"),
    [
        (asked("user", "nobody"), (), Rejection.USER_UNKNOWN),
        (asked("skillset", "nothing"), (), Rejection.SKILLSET_UNKNOWN),
        (asked("user", "nobody", "exclusive"), (), Rejection.USER_UNKNOWN),
        (asked("user", "anna"), (member("anna", ready=False),), Rejection.USER_NOT_READY),
        (asked("user", "anna"), (member("anna", active=2),), Rejection.USER_AT_CAPACITY),
        (asked("user", "anna"), (member("anna", active=3),), Rejection.USER_AT_CAPACITY),
        (asked("skillset", "sales"), (member("anna", ready=False),), Rejection.NO_AGENT_READY),
        (asked("skillset", "sales"), (member("anna", "support"),), Rejection.NO_AGENT_READY),
    ],
)
def test_a_transfer_is_rejected_if_its_target_cannot_take_it(
    command: Transfer, known: tuple[Member, ...], rejection: Rejection
) -> None:
    assert rejection == transfer(CONVERSATION, command, COMPANY, members(*known), HERE, POLICY)


@pytest.mark.parametrize(
    ("issuer", "active", "rejection"),
    [("nobody", 0, Rejection.USER_UNKNOWN), ("anna", 2, Rejection.USER_AT_CAPACITY), ("anna", 1, None)],
)
def test_taking_a_conversation_needs_a_free_slot_and_no_presence(
    issuer: str, active: int, rejection: Rejection | None
) -> None:
    known = members(member("anna", active=active, ready=False))
    assert rejection == take_rejection(asked("user", issuer), issuer, COMPANY, known)


@pytest.mark.parametrize(
    ("command", "takes"),
    [
        (asked("user", "anna"), True),
        (asked("user", "ben"), False),
        (asked("user", "anna", "exclusive"), False),
        (asked("skillset", "anna"), False),
    ],
)
def test_a_transfer_to_oneself_at_once_takes_the_conversation(command: Transfer, takes: bool) -> None:
    assert takes == is_taking(command, "anna")


# transferred


@pytest.mark.parametrize(("kind", "name"), [("skillset", "sales"), ("user", "anna")])
def test_an_exclusive_transfer_reserves_the_conversation_for_half_an_hour(kind: str, name: str) -> None:
    decided = transfer(conversation(first_owned=EARLIER), asked(kind, name, "exclusive"), COMPANY, {}, HERE, POLICY)
    owner = Owner(kind, name, "reserved", at(1.5))  # type: ignore[arg-type]
    assert decided == Decisions(
        owner, at(1), first_owned=EARLIER, last="transferred", because=HERE, reserved_to=at(1.5)
    )


def test_an_immediate_transfer_to_a_user_offers_it_to_them_for_a_minute() -> None:
    decided = transfer(CONVERSATION, asked("user", "anna"), COMPANY, members(member("anna")), HERE, POLICY)
    assert Decisions(OFFERED, first_owned=HERE, last="transferred", because=HERE) == decided


def test_an_immediate_transfer_to_a_skillset_offers_it_to_the_best_member_and_remembers_the_skillset() -> None:
    known = members(member("ben", active=1), member("anna"), member("carla", "support"))
    decided = transfer(CONVERSATION, asked("skillset", "sales"), COMPANY, known, HERE, POLICY)
    assert Decisions(OFFERED, first_owned=HERE, last="transferred", because=HERE, next_of="sales") == decided


def test_the_policy_sets_how_long_offers_and_reservations_wait_and_when_a_desktop_is_silent() -> None:
    policy = RoutingPolicy(timedelta(minutes=10), timedelta(seconds=20), timedelta(seconds=30))
    known = members(member("anna")._replace(seen_at=HERE.at - timedelta(seconds=30)))
    assert Rejection.USER_NOT_READY == transfer(CONVERSATION, asked("user", "anna"), COMPANY, known, HERE, policy)
    assert Rejection.NO_AGENT_READY == transfer(CONVERSATION, asked("skillset", "sales"), COMPANY, known, HERE, policy)
    reserved = transfer(CONVERSATION, asked("user", "anna", "exclusive"), COMPANY, known, HERE, policy)
    offered = transfer(CONVERSATION, asked("user", "ben"), COMPANY, members(member("ben")), HERE, policy)
    assert isinstance(reserved, Decisions) and isinstance(offered, Decisions)
    assert reserved.owner == Owner("user", "anna", "reserved", HERE.at + timedelta(minutes=10))
    assert (
        after_missed_offer(
            missed(next_of="sales"), members(known["anna"]._replace(id="ben")), COMPANY, HERE, policy
        ).owner
        is None
    )
    assert offered.owner == Owner("user", "ben", "assigned", HERE.at + timedelta(seconds=20))


@pytest.mark.parametrize(
    ("owner", "status", "version", "rejection"),
    [
        (QUEUED, "closed", 1, Rejection.CONVERSATION_CLOSED),
        (QUEUED, "active", 2, Rejection.VERSION_CONFLICT),
        (None, "active", None, Rejection.NOTHING_TO_RECALL),
        (ACCEPTED, "active", None, Rejection.NOTHING_TO_RECALL),
        (QUEUED, "active", 1, None),
        (RESERVED, "active", None, None),
        (OFFERED, "active", None, None),
    ],
)
def test_an_administrator_can_recall_a_conversation_that_no_agent_accepted_yet(
    owner: Owner | None, status: str, version: int | None, rejection: Rejection | None
) -> None:
    known = conversation(owner=owner, first_owned=EARLIER, queued_at=at(0.5), next_of="sales")
    freed = Decisions(first_owned=EARLIER, last="recalled", because=HERE)
    known = known._replace(status=status, version=1)  # type: ignore[arg-type]
    assert (rejection or freed) == recall(known, version, "boss", HERE)


@pytest.mark.parametrize(
    ("issuer", "managed", "rejection"),
    [("anna", False, None), ("anna", True, Rejection.NOTHING_TO_RECALL), ("ben", False, Rejection.NOTHING_TO_RECALL)],
)
def test_an_agent_can_give_back_what_they_accepted_while_nobody_has_written(
    issuer: str, managed: bool, rejection: Rejection | None
) -> None:
    known = conversation(owner=ACCEPTED, first_owned=EARLIER)._replace(managed=managed)
    freed = Decisions(first_owned=EARLIER, last="given_back", because=HERE)
    assert (rejection or freed) == recall(known, None, issuer, HERE)


# offered


def test_an_offer_remembers_where_the_conversation_waited() -> None:
    passed = (("ben", at(0.1)),)
    waiting = conversation(
        owner=RESERVED,
        queued_at=at(0.9),
        first_owned=EARLIER,
        last="transferred",
        declined_by=passed,
        reserved_to=at(1.4),
    )
    assert offer(waiting, member("anna"), HERE, POLICY) == Decisions(
        OFFERED,
        queued_at=at(0.9),
        first_owned=EARLIER,
        last="offered",
        because=HERE,
        returns_to=RESERVED,
        declined_by=passed,
        reserved_to=at(1.4),
    )


@pytest.mark.parametrize(
    ("owner", "eligible"),
    [
        (None, False),
        (QUEUED, True),
        (RESERVED, True),
        (RESERVED_FOR_ANNA, True),
        (Owner("user", "ben", "reserved", at(1.4)), False),
        (Owner("skillset", "support", "queued"), False),
        (Owner("skillset", "sales", "reserved", at(1)), False),
        (OFFERED, False),
        (ACCEPTED, False),
    ],
)
def test_a_conversation_waits_for_the_members_of_its_skillset_or_for_its_user(
    owner: Owner | None, eligible: bool
) -> None:
    assert eligible == is_eligible(conversation(owner=owner), member("anna"), at(1))


@pytest.mark.parametrize(("declined_at", "eligible"), [(0.1, True), (0.2, False), (0.3, False)])
def test_an_agent_who_declined_is_not_eligible_until_their_next_presence_event(
    declined_at: float, eligible: bool
) -> None:
    """Their desktop last reported their state at 0.2."""
    waiting = conversation(owner=QUEUED, declined_by=(("anna", at(declined_at)),))
    assert eligible == is_eligible(waiting, member("anna"), at(1))
    assert is_eligible(waiting, member("ben"), at(1))


@pytest.mark.parametrize(
    ("owner", "expired"),
    [
        (Owner("user", "anna", "reserved", at(1)), True),
        (Owner("user", "anna", "reserved", at(1.1)), False),
        (Owner("user", "anna", "assigned", at(0.9)), False),
        (QUEUED, False),
        (None, False),
    ],
)
def test_only_a_reservation_whose_time_is_over_has_expired(owner: Owner | None, expired: bool) -> None:
    assert expired == has_expired(conversation(owner=owner), at(1))


# ended


def missed(last: Decision = "offered", **decided: object) -> Conversation:
    """A conversation that was offered to anna until now."""
    return conversation(owner=OFFERED, first_owned=EARLIER, last=last, because=EARLIER, **decided)


@pytest.mark.parametrize(("last", "how"), [("offered", "lapsed"), ("declined", "declined")])
@pytest.mark.parametrize("waited", [QUEUED, RESERVED, RESERVED_FOR_ANNA])
def test_after_a_missed_offer_the_conversation_waits_again_where_it_waited(
    last: Decision, how: Decision, waited: Owner
) -> None:
    before = missed(last, returns_to=waited, queued_at=at(0.4), reserved_to=at(1.4), declined_by=(("ben", at(0)),))
    known = members(member("anna"))
    assert after_missed_offer(before, known, COMPANY, HERE, POLICY) == Decisions(
        waited,
        queued_at=at(0.4),
        first_owned=EARLIER,
        last=how,
        because=HERE,
        declined_by=(("ben", at(0)), ("anna", at(0.2))),
        reserved_to=at(1.4),
    )


@pytest.mark.parametrize(
    "waited",
    [
        None,
        Owner("skillset", "removed", "queued"),
        Owner("user", "removed", "reserved", at(1.4)),
        Owner("skillset", "sales", "reserved", at(1)),
    ],
)
def test_after_a_missed_offer_nobody_has_the_conversation_if_it_has_nowhere_to_wait(waited: Owner | None) -> None:
    """The skillset or user was removed, or the reservation is over."""
    decided = after_missed_offer(missed(returns_to=waited), members(member("anna")), COMPANY, HERE, POLICY)
    assert decided == Decisions(first_owned=EARLIER, last="lapsed", because=HERE, declined_by=(("anna", at(0.2)),))


def test_after_a_missed_offer_an_immediate_transfer_goes_to_the_next_member_of_the_skillset() -> None:
    known = members(member("anna"), member("ben"), member("carla", "support"))
    decided = after_missed_offer(missed(next_of="sales"), known, COMPANY, HERE, POLICY)
    assert decided == Decisions(
        OFFERED._replace(id="ben"),
        first_owned=EARLIER,
        last="transferred",
        because=HERE,
        next_of="sales",
        declined_by=(("anna", at(0.2)),),
    )


@pytest.mark.parametrize("known", [(), (member("anna")._replace(state_at=None),)])
def test_an_agent_without_a_presence_event_is_passed_over_from_now_on(known: tuple[Member, ...]) -> None:
    decided = after_missed_offer(missed(), members(*known), COMPANY, HERE, POLICY)
    assert (("anna", at(1)),) == decided.declined_by


def test_a_second_missed_offer_of_an_agent_replaces_the_first() -> None:
    before = missed(declined_by=(("anna", at(0)), ("ben", at(0.1))))
    decided = after_missed_offer(before, members(member("anna")), COMPANY, HERE, POLICY)
    assert (("ben", at(0.1)), ("anna", at(0.2))) == decided.declined_by


def test_after_its_expiry_and_after_a_removal_nobody_has_the_conversation() -> None:
    reserved = conversation(owner=RESERVED, first_owned=EARLIER, queued_at=at(0.5), reserved_to=at(1.4))
    assert Decisions(first_owned=EARLIER, last="expired", because=HERE) == after_expiry(reserved, HERE)
    assert Decisions(first_owned=EARLIER, last="removed", because=HERE) == after_removal(reserved, HERE)


def test_the_expiry_of_a_reservation_has_one_id_however_often_it_is_noticed() -> None:
    reserved = conversation(owner=RESERVED)._replace(version=2)
    first = expiry_ref(reserved, at(1.4))
    assert decision_ref(at(1.4), fact_id("reservation", str(reserved.id), "2")) == first
    assert first.fact == expiry_ref(reserved, at(2)).fact
    other = reserved._replace(id=Story(at(9)).receive(FactMaker().turn(8)).history.conversations[0].id)
    assert 3 == len({expiry_ref(each, at(2)).fact for each in (reserved, reserved._replace(version=3), other)})


def test_an_agent_is_available_while_their_desktop_is_heard_and_they_have_a_free_slot() -> None:
    anna = member("anna")
    silent = timedelta(seconds=30)
    assert anna.is_available(at(1), silent)
    assert not anna.is_available(at(1) + silent, silent)
    assert not anna._replace(active_conversations=2).is_available(at(1), silent)
    assert not Member("dora", frozenset({"sales"}), 2, state="ready").is_available(at(1))
    assert (0, True) == (
        anna._replace(active_conversations=3).free_capacity,
        anna._replace(active_conversations=3).is_over_capacity,
    )
    assert not anna._replace(active_conversations=2).is_over_capacity


def test_the_default_policy_is_half_an_hour_a_minute_and_five_minutes() -> None:
    assert (timedelta(minutes=30), timedelta(seconds=60), timedelta(seconds=300)) == (
        POLICY.reservation,
        POLICY.offer,
        POLICY.presence_timeout,
    )


def test_an_agent_without_presence_events_is_offline_and_has_nothing() -> None:
    unknown = Member("dora", frozenset(), 2, 0, "offline", state_at=None, seen_at=None, idle_since=None)
    assert unknown == Member("dora", frozenset(), 2)
