"""Which conversation a fact belongs to (domain.md, *Which conversation*)."""

from datetime import timedelta

import pytest

from domain.conversations.conversation import Conversation
from domain.conversations.fold import fold
from domain.conversations.history import CustomerHistory, FoldContext
from domain.conversations.placement.homes import home_of_other
from domain.facts import CustomerTurn
from domain.ids import CustomerId, fact_id
from tests.support.stories import DIRECTORY, FactMaker, Story, at

T = FactMaker()
BOT = FactMaker("bot")
MINUTE = 1 / 60


def test_a_message_exactly_24_hours_after_the_last_one_opens_a_new_conversation() -> None:
    assert 1 == len(Story(at(48)).receive(T.turn(0), T.turn(23.999)).history.conversations)
    assert 2 == len(Story(at(48)).receive(T.turn(0), T.turn(24)).history.conversations)


def test_a_message_exactly_24_hours_before_a_conversation_has_one_of_its_own() -> None:
    assert 1 == len(Story(at(48)).receive(T.turn(24), T.turn(0.001)).history.conversations)
    assert 2 == len(Story(at(48)).receive(T.turn(24), T.turn(0)).history.conversations)


def test_a_message_at_the_moment_of_an_end_belongs_to_the_conversation_that_ended() -> None:
    for hour, entries in ((0.5, [3]), (0.501, [2, 1])):
        story = Story(at(1), number="bot").receive(BOT.turn(0), BOT.bot_ends(0.5), BOT.turn(hour, "thanks"))
        assert entries == [c.entries for c in story.history.conversations]
        assert "closed" == story.history.conversations[0].status


def test_a_message_that_arrives_late_belongs_to_the_first_conversation_after_it() -> None:
    story = Story(at(13), number="bot").receive(
        BOT.turn(10), BOT.bot_ends(10.5), BOT.turn(12), BOT.turn(9, "good morning")
    )
    assert [(at(9), 3), (at(12), 1)] == [(c.opened_at, c.entries) for c in story.history.conversations]


@pytest.mark.parametrize(("minutes_before", "joins"), [(1.9, True), (2, True), (2.1, False)])
def test_the_clock_of_the_bot_may_be_two_minutes_behind_that_of_meta(minutes_before: float, joins: bool) -> None:
    starts = BOT.bot_starts(-minutes_before * MINUTE)
    story = Story(at(1), number="bot").receive(starts, BOT.turn(0))
    assert joins == (starts.id in story.transcript())
    assert joins == (not story.history.waiting)


@pytest.mark.parametrize(("hours_later", "opens"), [(0, True), (23.9, True), (24, False), (25, False)])
def test_a_conversation_handed_over_by_metas_assistant_opens_only_within_24_hours_of_the_message(
    hours_later: float, opens: bool
) -> None:
    to_the_assistant = T.signal(0, "text", standby_turn=True)
    story = Story(at(hours_later)).receive(to_the_assistant, T.handover(hours_later))
    assert opens == bool(story.history.conversations)


def test_a_human_touch_just_before_a_conversation_belongs_to_it_and_a_bots_message_to_the_one_before() -> None:
    """The clocks of desktops may be behind, and a human touch belongs to the latest conversation that fits."""
    story = Story(at(1), number="bot").receive(BOT.turn(0), BOT.bot_ends(0.1), BOT.turn(0.5, "again"))
    first, second = story.history.conversations
    touch, message = BOT.echo(0.5 - MINUTE), BOT.bot(0.5 - MINUTE, "s2")
    story.receive(touch, message)
    assert (second.id, first.id) == (story.places[touch.id], story.places[message.id])


def test_a_message_to_the_assistant_joins_the_conversation_that_follows_it() -> None:
    story = Story(at(6)).receive(T.turn(5), T.signal(0, "text", standby_turn=True), T.handover(0.5))
    assert [at(0)] == [c.opened_at for c in story.history.conversations]


def joined_history(first_text: str, second_text: str) -> tuple[Conversation, Conversation, CustomerHistory]:
    """Two active conversations of a customer whose two identities were joined, and both in one history."""
    first = Story(at(2)).receive(T.turn(0, first_text)).history
    second = CustomerHistory(CustomerId(fact_id("the other identity")), T.number)
    second = fold(second, T.turn(1, second_text), FoldContext(DIRECTORY, at(2))).history
    history = first._replace(conversations=(*first.conversations, *second.conversations))
    return first.conversations[0], second.conversations[0], history


def home_of(history: CustomerHistory, turn: CustomerTurn) -> object:
    """The conversation that a message joins."""
    return fold(history, turn, FoldContext(DIRECTORY, at(3))).placements[0].conversation


def test_of_two_conversations_of_a_joined_customer_the_one_with_an_owner_gets_the_next_message() -> None:
    queued, unowned, history = joined_history("1", "hello")
    assert queued.owner is not None and unowned.owner is None
    assert queued.id == home_of(history, T.turn(2, "are you there?"))


@pytest.mark.parametrize("text", ["hello", "1"])
def test_of_two_conversations_of_a_joined_customer_that_are_alike_the_latest_gets_the_next_message(text: str) -> None:
    _, latest, history = joined_history(text, text)
    assert latest.id == home_of(history, T.turn(2, "are you there?"))


def test_of_two_conversations_of_one_identity_the_owner_does_not_matter() -> None:
    """A late message belongs to the conversation in whose time it was written."""
    story = Story(at(30)).receive(T.turn(0, "hello"), T.turn(26, "1"), T.turn(1.5, "anybody?"))
    first, second = story.history.conversations
    assert second.owner is not None
    assert (2, 1) == (first.entries, second.entries)
    assert timedelta(hours=24) == first.window_ends_at - at(1.5)


@pytest.mark.parametrize("touch", [True, False])
@pytest.mark.parametrize("reversed_ids", [True, False])
def test_of_two_conversations_of_a_joined_customer_the_latest_gets_the_next_event(
    touch: bool, reversed_ids: bool
) -> None:
    """The ids play no part, nor does the order in which the conversations were loaded."""
    first, latest, _ = joined_history("hello", "hello")
    if reversed_ids:
        first, latest = first._replace(id=latest.id), latest._replace(id=first.id)
    for conversations in ([first, latest], [latest, first]):
        assert latest is home_of_other(conversations, at(2), touch)
