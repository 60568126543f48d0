"""Facts of the same second: Meta's times are whole seconds, those of bots and agent desktops are finer."""

import itertools
from datetime import timedelta

import pytest

from domain.arrival import arrival
from domain.conversations.reading.reading_order import in_reading_order
from domain.conversations.reasons import Reason
from domain.facts import ConversationFact
from domain.ids import fact_id
from tests.support.stories import FactMaker, Story, at

make = FactMaker()
bot = FactMaker("bot")


def came(fact: ConversationFact, seconds: float, place: int = 0) -> ConversationFact:
    """A fact that arrived `seconds` after the start of the story, at a place of its body."""
    return fact.model_copy(update={"arrival": arrival(at(0) + timedelta(seconds=seconds), place)})


def dated(fact: ConversationFact, seconds: float) -> ConversationFact:
    """A fact whose sender dates it `seconds` after the start of the story."""
    moment = at(0) + timedelta(seconds=seconds)
    return fact.model_copy(update={"at": moment, "sent_at": moment, "id": fact_id(str(fact.id), str(seconds))})


LINES = [came(make.turn(0, f"line {n}"), 1, place=n) for n in range(4)]


@pytest.mark.parametrize("order", list(itertools.permutations(LINES)))
def test_four_texts_of_one_body_stand_as_they_came(order: list[ConversationFact]) -> None:
    story = Story(now=at(1)).receive(*order)
    (conversation,) = story.history.conversations
    assert conversation.last_text == "line 3"
    assert ["line 0", "line 1", "line 2", "line 3"] == [getattr(fact, "text", None) for fact in in_reading_order(order)]


def test_the_body_that_arrived_first_comes_first() -> None:
    first, second = came(make.turn(0, "2"), 1.5, place=7), came(make.turn(0, "1"), 1.6)
    story = Story(now=at(1)).receive(second, first)
    (conversation,) = story.history.conversations
    assert conversation.owner is not None
    assert ("1", "support") == (conversation.last_text, conversation.owner.id)


def test_an_answer_that_meta_dates_before_the_question_is_read_after_it() -> None:
    hello = came(bot.turn(0, "hello"), 0.9)
    question = came(dated(bot.bot(0), 5.2), 5.3)
    answer = came(dated(bot.turn(0, "the second one"), 5), 6.1)
    assert [hello, question, answer] == in_reading_order([answer, question, hello])


def test_the_bot_s_answer_is_read_after_the_message_of_the_same_second() -> None:
    hello, answer = came(bot.turn(0, "hello"), 0.4), came(dated(bot.bot(0), 0.3), 0.6)
    assert [hello, answer] == in_reading_order([answer, hello])


@pytest.mark.parametrize("kind", ["reaction", "edit", "revoke"])
def test_what_names_a_message_is_never_read_before_it(kind: str) -> None:
    turn = make.turn(0, "named")
    named, other = came(turn, 2), came(make.turn(0, "other"), 3)
    signal = came(make.signal(0, kind).model_copy(update={"marks": turn.wamid}), 1)
    assert [named, signal, other] == in_reading_order([signal, other, named])


# the customer never loses by a whole second


def test_who_writes_in_the_second_in_which_an_agent_closes_is_on_the_list() -> None:
    closes = dated(make.agent_closes(0), 5.8)
    again = dated(make.turn(0, "one more thing"), 5)
    for order in itertools.permutations([make.answered(0), closes, again]):
        story = Story(now=at(0.1)).receive(make.turn(0, "hello"), *order)
        assert "one more thing" in [c.last_text for c in story.history.conversations if c.status == "active"], order


def test_an_answer_before_the_agent_closes_is_no_answer_to_who_writes_in_that_second() -> None:
    hello, again = came(dated(make.turn(0, "hello"), 0), 1), came(dated(make.turn(0, "wait"), 5), 6)
    more = came(dated(make.turn(0, "please"), 5), 6.5)
    answer, closes = dated(make.answered(0), 1), dated(make.agent_closes(0, note="done"), 5.8)
    for story in (
        Story(now=at(0.1)).receive(hello, answer, closes, again, more),
        Story(now=at(0.1)).receive(hello, closes, again, answer, more),
    ):
        first, second = story.history.conversations
        assert ("closed", True, "hello") == (first.status, first.managed, first.last_text)
        assert ("active", True, "please") == (second.status, second.unmanaged, second.last_text)
        assert first.id == second.previous


@pytest.mark.parametrize("text", ["1", "hello"])
def test_the_reason_of_a_conversation_that_the_bot_ended_stays_when_the_customer_writes_in_that_second(
    text: str,
) -> None:
    story = Story(now=at(0.1), number="bot").receive(
        came(dated(bot.turn(0, text), 5), 5.1),
        dated(bot.bot_starts(0), 5.2),
        dated(bot.bot_ends(0), 5.3),
        came(dated(bot.turn(0, "wait"), 5), 5.9),
        dated(bot.bot_starts(0, "s2"), 5.95),
    )
    first, second = story.history.conversations
    assert (Reason.BOT_CLOSED, 3) == (first.reason, first.entries)
    assert (Reason.NO_CHOICE, 2, "active") == (second.reason, second.entries, second.status)
    assert at(0) + timedelta(seconds=5.3) == first.closed_at


def test_who_writes_in_the_second_in_which_the_bot_ends_gets_a_conversation_of_their_own() -> None:
    story = Story(now=at(0.1), number="bot").receive(
        bot.turn(0, "hello"), dated(bot.bot_starts(0), 1.1), dated(bot.bot_ends(0), 5.3), dated(bot.turn(0, "wait"), 5)
    )
    assert [("closed", "hello"), ("active", "wait")] == [(c.status, c.last_text) for c in story.history.conversations]


@pytest.mark.parametrize("hour", [0, 1])
def test_a_message_that_opened_the_bot_s_session_is_before_its_end_of_the_same_second(hour: float) -> None:
    opening = dated(bot.turn(hour, "hello"), 5)
    facts = [opening, dated(bot.bot_starts(0), 5.2), dated(bot.bot_ends(0), 5.9)]
    earlier = [bot.turn(0, "before")] if hour else []
    for order in itertools.permutations(facts):
        story = Story(now=at(0.1), number="bot").receive(*earlier, *order)
        assert ["closed"] == [c.status for c in story.history.conversations], order


def test_a_second_message_of_the_second_of_the_bot_s_session_is_after_its_end() -> None:
    opening, more = came(dated(bot.turn(0, "hello"), 5), 5.1), came(dated(bot.turn(0, "and this"), 5), 6.5)
    story = Story(now=at(0.1), number="bot").receive(
        opening, dated(bot.bot_starts(0), 5.2), dated(bot.bot_ends(0), 5.9), more
    )
    assert [("closed", "hello"), ("active", "and this")] == [
        (c.status, c.last_text) for c in story.history.conversations
    ]


def test_a_choice_of_the_second_of_a_recall_routes_again() -> None:
    story = Story(now=at(0.1)).receive(make.turn(0, "1"))
    story.decides(1800.3 / 3600, None, "recalled")
    story.receive(dated(make.turn(0, "2"), 1799))
    assert story.history.conversations[0].owner is None
    story.receive(dated(make.turn(0, "2"), 1800))
    assert story.history.conversations[0].owner is not None
