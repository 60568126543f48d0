"""Edits and deletions by the customer, and what they change in a conversation: its last text, and the choice."""

from itertools import permutations

import pytest

from domain.conversations.conversation import MAX_MEMBERS, Conversation
from domain.conversations.reasons import Reason
from domain.facts import ConversationFact, Party
from tests.support.stories import FactMaker, Story, at

T = FactMaker()


def after(*facts: ConversationFact, hour: float = 5) -> Conversation:
    """The only conversation after these facts, which is the same in whatever order they arrive."""
    found = []
    for order in permutations(facts):
        (conversation,) = Story(at(hour)).receive(*order).history.conversations
        found.append(conversation)
    for field in ("last_text", "status", "managed", "reason", "owner", "window_ends_at", "entries", "evidence"):
        values = [getattr(conversation, field) for conversation in found]
        assert values == [values[0]] * len(values), field
    return found[0]


def test_the_last_text_follows_edits() -> None:
    hello = T.turn(0, "Helo")
    assert "Hello" == after(hello, T.edits(0.1, hello, "Hello")).last_text
    assert "Hello!" == after(hello, T.edits(0.1, hello, "Hello"), T.edits(0.2, hello, "Hello!")).last_text


def test_a_deleted_text_is_no_last_text() -> None:
    secret = T.turn(0, "my card is 4111")
    assert after(secret, T.deletes(0.1, secret)).last_text is None
    assert after(secret, T.edits(0.1, secret, "my card"), T.deletes(0.2, secret)).last_text is None
    assert "thanks" == after(secret, T.deletes(0.1, secret), T.turn(0.5, "thanks")).last_text


def test_an_edit_or_a_deletion_of_an_earlier_message_does_not_change_the_last_text() -> None:
    first, last = T.turn(0, "one"), T.turn(0.05, "two")
    assert "two" == after(first, last, T.edits(0.1, first, "1st"), T.deletes(0.2, first)).last_text


@pytest.mark.parametrize(
    ("text", "edited", "skillset"),
    [
        ("3", "1", "sales"),
        ("hello", "2", "support"),
        ("1", "2", "support"),
        ("1", "hello", "sales"),
        ("1", "9", "sales"),
    ],
)
def test_an_edit_can_make_or_change_a_choice_but_not_withdraw_it(text: str, edited: str, skillset: str) -> None:
    turn = T.turn(0, text)
    conversation = after(turn, T.edits(0.1, turn, edited))
    assert conversation.owner is not None
    assert (skillset, "queued", None) == (conversation.owner.id, conversation.owner.state, conversation.reason)


def test_a_deletion_does_not_withdraw_a_choice() -> None:
    turn = T.turn(0, "1")
    conversation = after(turn, T.deletes(0.1, turn))
    assert conversation.owner is not None
    assert ("sales", None) == (conversation.owner.id, conversation.last_text)


def test_an_edited_text_that_chooses_nothing_leaves_the_reason() -> None:
    turn = T.turn(0, "3")
    assert Reason.INVALID_CHOICE is after(turn, T.edits(0.1, turn, "4")).reason


def test_a_deletion_after_the_window_reaches_the_last_text_of_the_earlier_conversation() -> None:
    first = T.turn(0, "oops")
    story = Story(at(50)).receive(first, T.turn(40, "hello"), T.deletes(45, first))
    assert [None, "hello"] == [c.last_text for c in story.history.conversations]


def test_the_last_text_of_a_group_names_who_wrote_it() -> None:
    ada = FactMaker(customer=Party(wa_id="393450001041", group_id="g1", name="Ada"))
    bea = FactMaker(customer=Party(wa_id="393450001042", group_id="g1"))
    conversation = after(ada.turn(0, "who orders?"), bea.turn(1, "not me"), ada.signal(2))
    assert ("393450001042", "g1") == (conversation.last_speaker, conversation.group_id)
    assert (None, None, None) == (conversation.wa_id, conversation.user_id, conversation.customer_name)


def test_a_group_remembers_everybody_who_wrote_in_it() -> None:
    ada = FactMaker(customer=Party(wa_id="393450001041", group_id="g1", name="Ada"))
    bea = FactMaker(customer=Party(user_id="IT.7000042", group_id="g1", name="Bea"))
    renamed = FactMaker(customer=Party(wa_id="393450001041", group_id="g1", name="Ada Rossi"))
    members = after(ada.turn(0, "who orders?"), bea.turn(1, "not me"), renamed.turn(2, "ok")).evidence.members
    assert {"393450001041": "Ada Rossi", "IT.7000042": "Bea"} == {key: each.name for key, each in members.items()}


def test_of_a_group_that_is_too_large_those_who_wrote_last_are_remembered() -> None:
    makers = [FactMaker(customer=Party(wa_id=f"39345{n:07}", group_id="g1")) for n in range(MAX_MEMBERS + 3)]
    for order in (makers, makers[::-1]):
        facts = [maker.turn(makers.index(maker) / 10, "me too") for maker in order]
        (conversation,) = Story(at(5)).receive(*facts).history.conversations
        assert {f"39345{n:07}" for n in range(3, MAX_MEMBERS + 3)} == set(conversation.evidence.members)
