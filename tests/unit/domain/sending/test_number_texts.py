"""What a number says by itself, to whom, and when it is silent."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.conversations.conversation import Conversation, Decisions, FactRef, Owner
from domain.directory import Directory, TextKind
from domain.facts import CustomerTurn
from domain.ids import fact_id
from domain.sending.acceptance import SendingPolicy
from domain.sending.number_texts import ANSWERS_WITHIN, number_text, text_due
from domain.sending.sends import Lane
from tests.support.stories import DIRECTORY, NUMBER, FactMaker, Story, at

TEXTS: dict[TextKind, str] = {
    "greeting": "Welcome!\n{menu}",
    "wrong_choice": "Please choose:\n{menu}",
    "out_of_hours": "We are closed.",
}
SPEAKING = replace(DIRECTORY.numbers[NUMBER], texts={"en": TEXTS, "it": {"greeting": "Benvenuti!"}})
ON = SendingPolicy(enabled=True)


def company(**changes: Any) -> Directory:
    return replace(DIRECTORY, numbers={NUMBER: replace(SPEAKING, **changes)})


def told(*texts: str, directory: Directory | None = None) -> tuple[CustomerTurn, Conversation]:
    """Returns the last of a customer's turns, a minute apart, and the conversation afterwards."""
    turns = [FactMaker().turn(n / 60, text) for n, text in enumerate(texts)]
    story = Story(at(1), directory or company()).receive(*turns)
    return turns[-1], story.history.conversations[-1]


def said(*texts: str, directory: Directory | None = None, policy: SendingPolicy = ON) -> str | None:
    turn, conversation = told(*texts, directory=directory)
    return text_due(turn, conversation, directory or company(), policy, turn.at)


def test_who_writes_first_is_greeted_once() -> None:
    assert ("greeting", None) == (said("hello"), said("hello", "anybody there?"))


def test_who_chooses_is_not_greeted() -> None:
    assert said("1") is None


def test_a_choice_that_is_not_on_the_menu_is_answered() -> None:
    assert ("wrong_choice", "wrong_choice") == (said("9"), said("hello", "9"))
    assert said("1", "9") is None
    without = company(texts={"en": {"greeting": "Welcome!"}})
    assert ("greeting", None) == (said("9", directory=without), said("hello", "9", directory=without))


def test_when_it_is_closed_the_number_says_so_also_to_who_chose() -> None:
    closed = company(hours={})
    assert ("out_of_hours", "out_of_hours") == (said("hello", directory=closed), said("1", directory=closed))
    assert "greeting" == said("hello", directory=company(hours={}, texts={"en": {"greeting": "Welcome!"}}))


def test_it_speaks_its_own_language_or_not_at_all() -> None:
    assert "greeting" == said("hello", directory=company(language="it"))
    assert said("9", directory=company(language="it", menu={})) == "greeting"
    assert said("hello", directory=company(texts={"it": TEXTS})) is None


@pytest.mark.parametrize(
    "silent",
    [
        {"directory": company(texts={})},
        {"directory": company(softbot=True)},
        {"policy": SendingPolicy()},
        {"policy": SendingPolicy(enabled=True, allowed_to=frozenset({"390000"}))},
    ],
)
def test_it_is_silent_where_it_is_not_wanted(silent: dict[str, Any]) -> None:
    """By default, beside a Softbot, where sending is off, and to phones that are not allowed."""
    assert said("hello", **silent) is None


REF = FactRef(at(0), 0, fact_id("x"))


@pytest.mark.parametrize(
    "change",
    [
        {"status": "closed"},
        {"group_id": "g"},
        {"decisions": Decisions(owner=Owner("user", "anna", "assigned"))},
        {"decisions": Decisions(owner=Owner("user", "anna", "reserved"))},
        {"evidence": "touch"},
        {"evidence": "agent_took"},
        {"evidence": "sessions"},
    ],
)
def test_it_is_silent_once_somebody_has_the_customer(change: dict[str, Any]) -> None:
    turn, conversation = told("hello")
    assert "greeting" == text_due(turn, conversation, company(), ON, turn.at)
    if isinstance(name := change.get("evidence"), str):
        known: Any = {"s": REF} if name == "sessions" else REF
        change = {"evidence": conversation.evidence._replace(**{name: known})}
    assert text_due(turn, conversation._replace(**change), company(), ON, turn.at) is None


def test_it_does_not_answer_late() -> None:
    """Not what waited to be processed, nor what is read again from the beginning."""
    turn, conversation = told("hello")
    late = turn.at + ANSWERS_WITHIN
    assert "greeting" == text_due(turn, conversation, company(), ON, late - timedelta(seconds=1))
    assert text_due(turn, conversation, company(), ON, late) is None


def test_a_text_names_the_menu_and_is_no_word_of_a_person() -> None:
    turn, conversation = told("hello")
    send = number_text("greeting", turn, conversation, company(), at(1), b"12345678")
    assert "Welcome!\n1 - Sales\n2 - Support" == send.text == send.content["text"]["body"]
    assert (Lane.SYSTEM, False, False, True) == (send.lane, send.is_word, send.is_claim, send.needs_window)
    assert turn.at + ANSWERS_WITHIN == send.expires_at
    again = number_text("greeting", turn, conversation, company(), at(2), b"87654321")
    assert send.id == again.id != number_text("wrong_choice", turn, conversation, company(), at(1), b"").id


def test_a_change_of_an_opt_out_is_confirmed_also_while_an_agent_has_the_customer() -> None:
    """Each change has a text of its own; a word that changes nothing has none."""
    shop = company(texts={"en": {**TEXTS, "opted_out": "No more messages.", "opted_in": "Welcome back."}})
    turn, conversation = told("hello", "stop", directory=shop)
    taken = conversation._replace(decisions=Decisions(owner=Owner("user", "anna", "accepted")))
    for each in (conversation, taken):
        assert "opted_out" == text_due(turn, each, shop, ON, turn.at, changes_opt_out=True)
        assert text_due(turn, each, shop, ON, turn.at) is None
    start, after = told("hello", "start", directory=shop)
    assert "opted_in" == text_due(start, after, shop, ON, start.at, changes_opt_out=True)
    sends = [number_text("opted_out", turn, conversation, shop, at(1), b"") for turn in (turn, start)]
    assert 2 == len({send.id for send in sends})


def test_a_stop_word_is_not_answered_as_a_choice_and_start_may_begin_a_chat() -> None:
    """Who writes *stop* first is not greeted, who writes *start* is."""
    assert (None, "greeting") == (said("stop"), said("start"))
