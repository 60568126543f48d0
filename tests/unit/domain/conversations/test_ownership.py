"""Owners of conversations: queueing, agents, and why a conversation without an owner is listed."""

from datetime import timedelta

import pytest

from domain.conversations.conversation import Decision, Decisions, Owner, decision_ref, fact_ref
from domain.conversations.events import Cause
from domain.conversations.fold import decide
from domain.conversations.reasons import Reason
from domain.facts import AgentDeclined
from domain.ids import fact_id
from tests.support.stories import DIRECTORY, FactMaker, Story, at

T = FactMaker()
BOT = FactMaker("bot")
QUEUED = Owner("skillset", "sales", "queued")


def decisions_of(story: Story) -> Decisions:
    """The decisions about the latest conversation."""
    return story.history.conversations[-1].decisions


def declined(hour: float, agent: str = "anna") -> AgentDeclined:
    """An agent declines an offer."""
    accepted = T.accepted(hour, agent)
    return AgentDeclined.model_validate(
        {**dict(accepted), "kind": "agent_declined", "id": fact_id("declined", str(hour), agent)}
    )


# queueing


def test_a_choice_queues_the_conversation_from_the_moment_it_was_written() -> None:
    choice = T.turn(0.5, "1")
    decisions = decisions_of(Story(at(1)).receive(T.turn(0, "hello"), choice))
    ref = fact_ref(choice)
    assert Decisions(QUEUED, queued_at=at(0.5), first_owned=ref, last="routed", because=ref) == decisions


def test_a_choice_in_the_softbot_is_looked_up_in_the_menu_of_the_number_if_it_names_no_skillset() -> None:
    number = DIRECTORY.number("bot")
    directory = DIRECTORY.__class__(
        {"bot": number.__class__("bot", softbot=True, menu={"o": "support"})}, DIRECTORY.skillsets, {}
    )
    choice = BOT.choice(0.1, "sales")
    story = Story(at(1), directory, "bot").receive(BOT.turn(0), choice.model_copy(update={"skillset": None}))
    owner = decisions_of(story).owner
    assert owner is not None
    assert ("support", "queued") == (owner.id, owner.state)


def test_after_a_recall_only_a_new_choice_queues_the_conversation_again() -> None:
    story = Story(at(1)).receive(T.turn(0, "1"))
    story.decides(1, None, "recalled")
    story.receive(T.turn(1.1, "hello?"), T.turn(0.9, "2"))
    assert decisions_of(story).owner is None
    story.receive(T.turn(1.2, "2"))
    assert Owner("skillset", "support", "queued") == decisions_of(story).owner
    assert at(1.2) == decisions_of(story).queued_at


def test_a_choice_while_an_agent_is_offered_the_conversation_changes_nothing() -> None:
    story = Story(at(1)).receive(T.turn(0, "hello"))
    story.decides(0.5, Owner("user", "anna", "assigned", at(0.6)), "transferred")
    story.receive(T.turn(0.55, "2"))
    assert Owner("user", "anna", "assigned", at(0.6)) == decisions_of(story).owner


@pytest.mark.parametrize("skillset", ["Sales", " sales ", "ｓａｌｅｓ"])
def test_a_bot_that_writes_a_skillset_in_its_own_spelling_queues_the_customer_for_it(skillset: str) -> None:
    bot = FactMaker("bot")
    for fact in (bot.handoff(0.2, skillset), bot.choice(0.2, skillset)):
        assert QUEUED == decisions_of(Story(at(1), number="bot").receive(bot.turn(0), fact)).owner


# agents


def test_the_agent_who_accepts_is_the_owner_and_the_conversation_left_the_queue() -> None:
    accepted = T.accepted(0.5)
    decisions = decisions_of(Story(at(1)).receive(T.turn(0, "1"), accepted))
    first = fact_ref(T.turn(0, "1"))
    assert decisions == Decisions(
        Owner("user", "anna", "accepted", at(0.5) + timedelta(minutes=10)),
        first_owned=first,
        last="accepted",
        because=fact_ref(accepted),
    )


def test_a_message_of_another_agent_does_not_take_the_conversation_from_its_owner() -> None:
    decisions = decisions_of(Story(at(1)).receive(T.turn(0, "1"), T.accepted(0.5), T.answered(0.6, "ben")))
    assert Owner("user", "anna", "accepted") == decisions.owner


def test_a_decline_by_the_agent_who_was_offered_the_conversation_ends_the_offer_at_once() -> None:
    story = Story(at(1)).receive(T.turn(0, "1"))
    story.decides(0.5, Owner("user", "anna", "assigned", at(0.6)), "offered")
    story.now = at(0.55)
    story.receive(declined(0.52))
    decisions = decisions_of(story)
    assert (Owner("user", "anna", "assigned", at(0.55)), "declined") == (decisions.owner, decisions.last)
    assert fact_ref(declined(0.52)) == decisions.because


@pytest.mark.parametrize(
    "owner", [None, QUEUED, Owner("user", "ben", "assigned", at(9)), Owner("user", "anna", "accepted")]
)
def test_a_decline_by_an_agent_without_an_offer_changes_nothing(owner: Owner | None) -> None:
    story = Story(at(1)).receive(T.turn(0, "hello"))
    story.decides(0.5, owner, "offered")
    before = decisions_of(story)
    assert before == decisions_of(story.receive(declined(0.6)))


def test_a_message_of_an_agent_that_names_a_conversation_counts_for_that_one_at_any_time() -> None:
    story = Story(at(50)).receive(T.turn(0), T.turn(30))
    first, second = story.history.conversations
    story.receive(T.answered(40).model_copy(update={"conversation_id": first.id}))
    assert [True, False] == [c.managed for c in story.history.conversations]
    story.receive(T.echo(40))
    assert [True, True] == [c.managed for c in story.history.conversations]
    assert second.id == story.places[T.echo(40).id]


def test_an_end_after_the_window_has_no_effect() -> None:
    story = Story(at(26)).receive(T.turn(0))
    (conversation,) = story.history.conversations
    story.receive(T.agent_closes(25).model_copy(update={"conversation_id": conversation.id}))
    assert at(24) == story.history.conversations[0].closed_at


def test_facts_that_arrive_after_the_end_of_a_conversation_lead_to_no_decision() -> None:
    for late in (T.turn(0.5, "1"), T.accepted(0.5)):
        story = Story(at(1)).receive(T.turn(0, "hello")).wait_until(at(40))
        assert Decisions() == decisions_of(story.receive(late))


def test_a_conversation_that_closed_or_was_answered_waits_in_no_queue() -> None:
    for story in (
        Story(at(1)).receive(T.turn(0, "1")).wait_until(at(24)),
        Story(at(1)).receive(T.turn(0, "1"), T.echo(0.5)),
    ):
        assert (None, None) == (decisions_of(story).owner, decisions_of(story).queued_at)


# why a conversation without an owner is listed


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("expired", Reason.RESERVATION_EXPIRED),
        ("declined", Reason.NOBODY_TOOK_IT),
        ("lapsed", Reason.NOBODY_TOOK_IT),
        ("removed", Reason.NOBODY_TOOK_IT),
        ("recalled", Reason.NO_CHOICE),
    ],
)
def test_the_last_decision_is_the_reason_and_names_what_led_to_it(last: Decision, reason: Reason) -> None:
    story = Story(at(1)).receive(T.turn(0, "hello"))
    story.decides(0.5, Owner("skillset", "sales", "reserved", at(0.9)), "transferred")
    ref = story.decides(0.9, None, last)
    (conversation,) = story.history.conversations
    cause = T.turn(0, "hello").id if reason is Reason.NO_CHOICE else ref.fact
    assert (reason, (cause,)) == (conversation.reason, conversation.because)


def test_a_closed_conversation_that_ever_had_an_owner_was_taken_by_nobody() -> None:
    """The reason names the choice, or the decision that first gave it an owner."""
    story = Story(at(1)).receive(T.turn(0, "hello"))
    first = story.decides(0.5, Owner("skillset", "sales", "reserved", at(0.9)), "transferred")
    story.decides(0.9, None, "expired")
    story.wait_until(at(24))
    (conversation,) = story.history.conversations
    assert (Reason.NOBODY_TOOK_IT, (first.fact,)) == (conversation.reason, conversation.because)


# parking


def parked(hour: float, until: float) -> Story:
    """The customer wrote at 0, and anna parks the conversation."""
    story = Story(at(hour)).receive(T.turn(0))
    ref = decision_ref(at(hour), fact_id("park"))
    reserved = Decisions().owned_by(Owner("user", "anna", "reserved", at(until + 0.5)), "transferred", ref)
    decisions = reserved._replace(queued_at=at(until), reserved_to=at(until + 0.5), parked_until=at(until))
    cause = Cause((ref.fact,), "anna")
    story.take(decide(story.history, story.history.conversations[-1].id, decisions, cause, story.context))
    return story


@pytest.mark.parametrize("hour", [1.5, 1, 1 - 1 / 7200, 0.5])
def test_a_message_that_was_not_there_when_the_conversation_was_parked_ends_the_parking(hour: float) -> None:
    """Also one that Meta dates earlier, or that waited to be processed: nobody had seen it."""
    story = parked(1, until=3)
    assert at(3) == decisions_of(story).parked_until
    story.now = at(1.5)
    decisions = decisions_of(story.receive(T.turn(hour, "hello?")))
    begins = at(max(hour, 1))
    owner = Owner("user", "anna", "reserved", begins + timedelta(minutes=30))
    assert (None, begins, owner) == (decisions.parked_until, decisions.queued_at, decisions.owner)


def test_what_is_no_message_leaves_it_parked() -> None:
    story = parked(1, until=3).receive(T.signal(1.2), T.bot(1.3))
    assert at(3) == decisions_of(story).parked_until
