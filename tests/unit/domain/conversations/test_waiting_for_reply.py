"""A customer who was answered once is not left alone the second time (domain.md, *Waiting for a reply*)."""

from datetime import UTC, datetime, time, timedelta
from itertools import permutations

import pytest

from domain.conversations.conversation import Conversation
from domain.conversations.events import Cause
from domain.conversations.fold import decide
from domain.conversations.reasons import Reason
from domain.directory import Directory, Number, Opening
from domain.facts import AgentMessage, ConversationFact
from domain.routing.transfers import after_no_reply, after_overdue, is_reply_missing, no_reply_ref, overdue_ref
from tests.support.stories import DIRECTORY, NUMBER, FactMaker, Story, at

T = FactMaker()
MINUTE = 1 / 60


def the(story: Story) -> Conversation:
    (conversation,) = story.history.conversations
    return conversation


def state(story: Story) -> tuple[object, ...]:
    """Status, managed, reason and the agent who has the only conversation."""
    c = the(story)
    return c.status, c.managed, c.reason, c.owner and (c.owner.id, c.owner.state)


def timer(story: Story, hour: float) -> Story:
    """What the timer does at that hour with customers who had no reply."""
    story.wait_until(at(hour))
    conversation = the(story)
    if is_reply_missing(conversation, story.now):
        ref = no_reply_ref(conversation, story.now)
        cause = Cause((ref.fact,), "clock")
        story.take(decide(story.history, conversation.id, after_no_reply(conversation, ref), cause, story.context))
    return story


def answered_and_wrote_again(**more: object) -> Story:
    """Anna answers at 1:06, and the customer writes again at 1:30."""
    return Story(at(1.5), **more).receive(T.turn(0), T.accepted(1), T.answered(1.1), T.turn(1.5, "and?"))  # type: ignore[arg-type]


def test_a_customer_who_wrote_again_is_on_the_list_after_ten_minutes_without_a_reply() -> None:
    story = answered_and_wrote_again()
    assert ("active", True, None, ("anna", "accepted")) == state(story)
    assert (at(1.5), at(1.5 + 10 * MINUTE)) == (the(story).waits_since, the(story).reply_by)
    assert ("active", True, None, ("anna", "accepted")) == state(timer(story, 1.5 + 9.9 * MINUTE))
    timer(story, 1.5 + 10 * MINUTE)
    assert ("active", False, Reason.NO_REPLY, None) == state(story)
    assert (T.turn(1.5, "and?").id,) == the(story).because
    assert [("released", "clock"), ("became_unmanaged", "clock")] == [(e.name, e.actor) for e in story.events[-2:]]


def test_further_messages_do_not_make_the_customer_wait_longer() -> None:
    story = answered_and_wrote_again().receive(T.turn(1.6, "hello?"))
    assert (at(1.5), at(1.5 + 10 * MINUTE)) == (the(story).waits_since, the(story).reply_by)


def test_a_reply_ends_the_wait() -> None:
    for reply in (T.answered(1.6), T.echo(1.6)):
        story = timer(answered_and_wrote_again().receive(reply), 3)
        assert ("active", True, None, ("anna", "accepted")) == state(story)
        assert (None, None) == (the(story).waits_since, the(story).reply_by)


def test_a_reply_from_before_that_arrives_late_makes_it_managed_again() -> None:
    story = timer(answered_and_wrote_again(), 2).receive(T.answered(1.6))
    assert ("active", True, None, ("anna", "accepted")) == state(story)
    assert "managed" == story.published[-1]


def test_a_word_from_before_the_customers_message_is_no_reply_to_it_and_gives_the_conversation_to_nobody() -> None:
    story = timer(answered_and_wrote_again(), 2).receive(T.answered(1.4))
    assert ("active", False, Reason.NO_REPLY, None) == state(story)


def test_a_text_that_was_written_before_the_customers_message_and_sent_after_it_is_no_reply() -> None:
    """A text of this product may wait until it is sent."""
    waited = T.answered(1.55).model_copy(update={"written_at": at(1.45)})
    assert isinstance(waited, AgentMessage)
    story = answered_and_wrote_again().receive(waited)
    assert at(1.5) == the(story).waits_since
    assert ("active", False, Reason.NO_REPLY, None) == state(timer(story, 2))


def test_who_takes_over_has_their_own_ten_minutes() -> None:
    story = Story(at(3)).receive(T.turn(0), T.echo(1), T.turn(1.5), T.accepted(3))
    assert at(3 + 10 * MINUTE) == the(story).reply_by


def test_nobody_of_the_product_has_what_the_phone_app_answered_so_it_is_not_taken_from_them() -> None:
    story = Story(at(2)).receive(T.turn(0), T.echo(1), T.turn(1.5))
    assert (at(1.5), None) == (the(story).waits_since, the(story).reply_by)
    assert ("active", True, None, None) == state(timer(story, 20))


def test_who_never_had_a_word_waits_for_none() -> None:
    story = Story(at(2)).receive(T.turn(0), T.accepted(1), T.turn(1.5))
    assert (None, None) == (the(story).waits_since, the(story).reply_by)


def test_the_next_agent_who_does_not_write_either_leaves_their_own_reason() -> None:
    story = timer(answered_and_wrote_again(), 2).receive(T.accepted(2, "ben"))
    assert ("active", False, None, ("ben", "accepted")) == state(story)
    ref = overdue_ref(the(story), at(2.5))
    story.now = at(2.5)
    overdue = after_overdue(the(story), ref)
    story.take(decide(story.history, the(story).id, overdue, Cause((ref.fact,), "clock"), story.context))
    assert ("active", False, Reason.TAKEN_NOT_ANSWERED, None) == state(story)
    story.receive(T.answered(2.2, "ben"))
    assert ("active", True, None, ("ben", "accepted")) == state(story)


def test_at_the_end_of_the_window_without_a_reply_the_reason_stays() -> None:
    story = timer(answered_and_wrote_again(), 2).wait_until(at(26))
    assert ("closed", False, Reason.NO_REPLY, None) == state(story)
    assert (None, None) == (the(story).waits_since, the(story).reply_by)


def test_ten_minutes_count_while_the_number_is_open() -> None:
    """The story begins on a Monday at 10:00; the number closes at 11:35 and opens on Tuesday at 9:00."""
    hours = {"mon": (Opening(time(9), time(11, 35)),), "tue": (Opening(time(9), time(18)),)}
    open_then = Directory({NUMBER: Number(NUMBER, hours=hours)}, DIRECTORY.skillsets)  # type: ignore[arg-type]
    story = answered_and_wrote_again(directory=open_then)
    assert datetime(2026, 3, 3, 9, 5, tzinfo=UTC) == the(story).reply_by
    assert the(timer(story, 22)).managed
    assert Reason.NO_REPLY is the(timer(story, 23.1)).reason


def test_who_could_be_answered_only_after_the_window_is_taken_from_nobody() -> None:
    closed = Directory({NUMBER: Number(NUMBER, hours={"mon": (Opening(time(9), time(11)),)})}, DIRECTORY.skillsets)
    assert the(answered_and_wrote_again(directory=closed)).reply_by is None


LATE: list[ConversationFact] = [T.answered(1.4, "ben"), T.turn(1.45), T.answered(1.6), T.turn(1.7)]


@pytest.mark.parametrize("decided", range(5))
def test_whatever_arrives_after_the_decision_gives_the_same_in_any_order(decided: int) -> None:
    """The first `decided` facts arrive before the timer; the last word is earlier or later than the last message."""
    for late in (LATE[:3], LATE):
        results = set()
        for order in permutations(late):
            story = answered_and_wrote_again()
            timer(story.receive(*order[:decided]), 1.9).receive(*order[decided:])
            results.add(state(timer(story, 2.5))[:3])
        expected = ("active", True, None) if late == LATE[:3] else ("active", False, Reason.NO_REPLY)
        assert {expected} == results


def test_ties_of_the_same_second_are_no_reply() -> None:
    """Meta's times are whole seconds: who wrote in the second of a word may have written after it."""
    word = T.answered(1.5).model_copy(update={"at": at(1.5) + timedelta(seconds=0.8)})
    story = Story(at(2)).receive(T.turn(0), word, T.turn(1.5))
    assert at(1.5) == the(story).waits_since
