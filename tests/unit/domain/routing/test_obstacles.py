"""Why an agent gets nothing, by the rules by which conversations are offered."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.conversations.conversation import Conversation, Decisions, Owner
from domain.routing.agents import Member
from domain.routing.obstacles import Obstacle, obstacle
from domain.routing.transfers import is_eligible, is_parked
from tests.support.stories import FactMaker, Story, at

NOW = at(1)
ANNA = Member("anna", frozenset({"sales"}), 2, 0, "ready", at(0.5), NOW, at(0.5))
CONVERSATION = Story(NOW).receive(FactMaker().turn(0, "hello")).history.conversations[0]
SALES, SUPPORT = Owner("skillset", "sales", "queued"), Owner("skillset", "support", "queued")
OVER = Owner("skillset", "sales", "reserved", at(0.9))


def waits(owner: Owner = SALES, declined_at: datetime | None = None) -> Conversation:
    """A conversation that waits. `declined_at`: when Anna declined it."""
    declined = () if declined_at is None else (("anna", declined_at),)
    return CONVERSATION._replace(decisions=Decisions(owner=owner, queued_at=at(0.6), declined_by=declined))


def why(member: Member = ANNA, *waiting: Conversation) -> Obstacle | None:
    return obstacle(member, waiting, NOW, NOW)


def test_a_ready_agent_with_a_free_slot_gets_what_waits_for_them() -> None:
    assert why(ANNA, waits()) is None
    assert why(ANNA, waits(Owner("user", "anna", "reserved", at(2)))) is None


@pytest.mark.parametrize(
    ("reason", "member"),
    [
        ("never_seen", ANNA._replace(seen_at=None, state_at=None, state="offline")),
        ("offline", ANNA._replace(state="offline")),
        ("paused", ANNA._replace(state="paused")),
        ("desk_silent", ANNA._replace(seen_at=NOW - timedelta(minutes=6))),
        ("page_gone", ANNA._replace(page_at=NOW - timedelta(seconds=20))),
        ("at_capacity", ANNA._replace(active_conversations=2)),
        ("at_capacity", ANNA._replace(active_conversations=3)),
        ("no_capacity", ANNA._replace(max_conversations=0)),
    ],
)
def test_an_agent_who_cannot_be_offered_anything_is_told_why(reason: Obstacle, member: Member) -> None:
    assert reason == why(member, waits())


def test_a_page_that_rings_keeps_an_agent_ready() -> None:
    assert why(ANNA._replace(page_at=NOW - timedelta(seconds=5)), waits()) is None


def test_what_waits_for_others_is_told_apart_from_an_empty_queue() -> None:
    assert "nothing_waits" == why(ANNA)
    assert "waits_for_others" == why(ANNA, waits(SUPPORT))
    assert "no_skillset" == why(ANNA._replace(skillsets=frozenset()), waits())


def test_a_declined_conversation_is_offered_again_after_the_next_word_of_presence() -> None:
    assert "declined" == why(ANNA, waits(declined_at=at(0.7)))
    assert why(ANNA, waits(declined_at=at(0.7)), waits()) is None
    assert why(ANNA._replace(state_at=at(0.8)), waits(declined_at=at(0.7))) is None


def test_a_reservation_that_is_over_and_a_parked_conversation_wait_for_nobody() -> None:
    assert "waits_for_others" == why(ANNA, waits(OVER))
    parked = waits()
    later = parked._replace(decisions=parked.decisions._replace(parked_until=at(3)))
    assert "nothing_waits" == why(ANNA, later)


MEMBERS = st.builds(
    Member,
    st.just("anna"),
    st.sampled_from([frozenset(), frozenset({"sales"}), frozenset({"support"})]),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from(["ready", "paused", "offline"]),
    st.just(at(0.5)),
    st.sampled_from([None, NOW, NOW - timedelta(minutes=6)]),
    st.none(),
    st.sampled_from([None, NOW, NOW - timedelta(minutes=1)]),
)
WAITING = st.lists(
    st.builds(waits, st.sampled_from([SALES, SUPPORT, OVER]), st.sampled_from([None, at(0.4), at(0.7)])), max_size=3
)


@given(MEMBERS, WAITING)
def test_nothing_is_in_the_way_of_exactly_those_whom_routing_would_offer_something(
    member: Member, waiting: Sequence[Conversation]
) -> None:
    gets = member.is_available(NOW) and any(
        is_eligible(each, member, NOW) and not is_parked(each, NOW) for each in waiting
    )
    assert gets == (obstacle(member, waiting, NOW, NOW) is None)
