"""Which message of a campaign a customer's turn answers."""

from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from domain.campaigns.answers import AnswerTerms, AskedRecipient, CampaignAnswer, answer_of, outcome_of
from domain.conversations.conversation import Conversation, Status
from domain.conversations.reasons import Reason
from domain.facts import CustomerTurn
from domain.ids import ConversationId, CustomerId
from tests.support.stories import NUMBER, FactMaker, at

TERMS = AnswerTerms()
CONVERSATION = Conversation(ConversationId(UUID(int=7)), CustomerId(UUID(int=8)), NUMBER, at(0), at(24))
MAKER = FactMaker()


def _asked(number: int, hour: float, **more: Any) -> AskedRecipient:
    campaign = UUID(int=number)
    return AskedRecipient(campaign, 2, 1, 0, at(hour), f"wamid.{number}", ["Yes, please"], None, **more)


AUTUMN, WINTER = _asked(1, 0), _asked(2, 1)


def _turn(hour: float, text: str = "hello", quotes: str | None = None, *, tapped: bool = False) -> CustomerTurn:
    turn = MAKER.turn(hour, text)
    return turn.model_copy(update={"quotes": quotes, "type": "button" if tapped else "text"})


def _count(*turns: CustomerTurn, asked: tuple[AskedRecipient, ...] = (AUTUMN, WINTER)) -> dict[int, tuple[str, float]]:
    """Counts turns as they come; returns campaign -> proof and hour of its answer."""
    known = {each.key: each for each in asked}
    for turn in turns:
        answer = answer_of(turn, CONVERSATION, [*known.values()], TERMS)
        if answer is not None:
            key = answer.campaign_id, answer.row_no
            known[key] = known[key]._replace(answer=answer)
    answers = [each.answer for each in known.values() if each.answer is not None]
    return {a.campaign_id.int: (a.proof, (a.at - at(0)) / timedelta(hours=1)) for a in answers}


def test_the_first_turn_answers_the_latest_message() -> None:
    assert {2: ("likely", 2)} == _count(_turn(2))


def test_who_goes_on_talking_does_not_answer_the_earlier_message_too() -> None:
    assert {2: ("likely", 2)} == _count(_turn(2), _turn(3), _turn(4))
    assert {1: ("quote", 2)} == _count(_turn(2, quotes="wamid.1"), _turn(3))


def test_each_message_has_the_turn_that_followed_it() -> None:
    assert {1: ("likely", 0.5), 2: ("likely", 2)} == _count(_turn(0.5), _turn(2))


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (_turn(2, "ok", "wamid.1"), {1: ("quote", 2)}),
        (_turn(2, "Yes, please", "wamid.1", tapped=True), {1: ("button", 2)}),
        (_turn(2, "Yes, please", tapped=True), {2: ("button", 2)}),
        (_turn(2, "Yes, please"), {2: ("likely", 2)}),
        (_turn(2, "No, thanks", tapped=True), {2: ("likely", 2)}),
        (_turn(2, "Yes, please", "wamid.9", tapped=True), {2: ("likely", 2)}),
    ],
    ids=["quote", "button with quote", "button", "typed", "button of another template", "button of another message"],
)
def test_proof_decides_whose_answer_it_is(turn: CustomerTurn, expected: dict[int, tuple[str, float]]) -> None:
    assert expected == _count(turn)


def test_a_tap_proves_the_message_whose_id_meta_has_not_told_yet() -> None:
    posted = AUTUMN._replace(wamid=None)
    assert {1: ("button", 2)} == _count(_turn(2, "Yes, please", "wamid.1", tapped=True), asked=(posted,))


def test_a_turn_before_the_message_or_too_long_after_it_is_no_answer() -> None:
    assert {} == _count(_turn(-0.1), asked=(AUTUMN,))
    assert {1: ("likely", -1 / 7200)} == _count(_turn(-1 / 7200), asked=(AUTUMN,))  # times of turns are whole seconds
    assert {1: ("likely", 72)} == _count(_turn(72), asked=(AUTUMN,))
    assert {} == _count(_turn(72.1), asked=(AUTUMN,))


def test_as_long_as_the_answer_is_promised_to_somebody_it_is_one() -> None:
    promised = _asked(1, 0, answers_to={"holds_hours": 100})
    assert {1: ("likely", 99)} == _count(_turn(99), asked=(promised,))
    assert {1: ("likely", 72)} == _count(_turn(72), asked=(_asked(1, 0, answers_to={"holds_hours": 1}),))


def test_the_order_in_which_turns_arrive_does_not_matter() -> None:
    turns = [_turn(2), _turn(3, "sure", "wamid.2"), _turn(4)]
    for order in permutations(turns):
        assert {2: ("quote", 2)} == _count(*order)


def test_a_repeated_turn_changes_nothing() -> None:
    answer = answer_of(_turn(2), CONVERSATION, [WINTER], TERMS)
    assert isinstance(answer, CampaignAnswer)
    assert answer_of(_turn(2), CONVERSATION, [WINTER._replace(answer=answer)], TERMS) is None


@pytest.mark.parametrize(
    ("status", "managed", "reason", "expected"),
    [
        ("active", False, None, "waiting"),
        ("active", False, Reason.NO_CHOICE, "unmanaged"),
        ("active", True, None, "human"),
        ("closed", True, None, "resolved"),
        ("closed", False, Reason.NO_CHOICE, "unmanaged"),
    ],
)
def test_an_answer_has_the_outcome_of_its_conversation(
    status: Status, managed: bool, reason: Reason | None, expected: str
) -> None:
    assert expected == outcome_of(CONVERSATION._replace(status=status, managed=managed, reason=reason))
