"""Human interaction is a word to the customer: who has a conversation that agents accepted, for how long, and what they
must have done for it to be managed (domain.md, *Human interaction*)."""

from datetime import timedelta
from itertools import permutations

import pytest

from domain.conversations.conversation import Conversation, Owner
from domain.conversations.events import Cause
from domain.conversations.fold import decide
from domain.conversations.ownership.deadlines import AnswerPolicy, answer_by
from domain.conversations.reasons import Reason
from domain.facts import AgentClosed, ConversationFact
from domain.routing.transfers import after_overdue, is_overdue, overdue_ref, recall
from tests.support.stories import FactMaker, Story, at

T = FactMaker()
BOT = FactMaker("bot")
MINUTE = 1 / 60


def the(story: Story) -> Conversation:
    (conversation,) = story.history.conversations
    return conversation


def state(story: Story) -> tuple[object, ...]:
    """Status, managed, reason and the agent who has the only conversation."""
    c = the(story)
    return c.status, c.managed, c.reason, c.owner and (c.owner.id, c.owner.state)


def timer(story: Story, hour: float) -> Story:
    """What the timer does at that hour with an acceptance that is overdue."""
    story.wait_until(at(hour))
    conversation = the(story)
    assert is_overdue(conversation, story.now)
    ref = overdue_ref(conversation, story.now)
    decided = after_overdue(conversation, ref)
    story.take(decide(story.history, conversation.id, decided, Cause((ref.fact,), "clock"), story.context))
    return story


# an acceptance is no word


def test_accepting_is_no_human_interaction_and_writing_is() -> None:
    story = Story(at(1)).receive(T.turn(0), T.accepted(0.5))
    assert ("active", False, None, ("anna", "accepted")) == state(story)
    story.receive(T.answered(0.6))
    assert ("active", True, None, ("anna", "accepted")) == state(story)
    assert ["opened", "became_unmanaged", "accepted", "managed"] == story.published


def test_an_acceptance_without_a_word_ends_and_the_customer_is_on_the_list_again() -> None:
    story = timer(Story(at(1)).receive(T.turn(0), T.accepted(1)), 1 + 10 * MINUTE)
    assert ("active", False, Reason.TAKEN_NOT_ANSWERED, None) == state(story)
    assert (T.accepted(1).id,) == the(story).because
    assert [("released", "clock"), ("became_unmanaged", "clock")] == [(e.name, e.actor) for e in story.events[-2:]]


def test_a_word_that_comes_late_makes_it_managed_again() -> None:
    words: list[tuple[ConversationFact, object]] = [(T.answered(1.1), ("anna", "accepted")), (T.echo(1.1), None)]
    for word, owner in words:
        story = timer(Story(at(1)).receive(T.turn(0), T.accepted(1)), 2).receive(word)
        assert ("active", True, None, owner) == state(story)
        assert "managed" == story.published[-1]


def test_a_colleague_who_deletes_or_reacts_in_the_phone_app_leaves_the_customer_on_the_list() -> None:
    deletion = T.echo(1).model_copy(update={"type": "revoke", "text": None, "is_word": False})
    story = Story(at(1)).receive(T.turn(0), deletion)
    assert ("active", False, Reason.NO_CHOICE, None) == state(story)
    assert ["opened", "became_unmanaged"] == story.published


@pytest.mark.parametrize("back_on_the_list", [False, True])
def test_at_the_end_of_the_window_without_a_word_the_reason_stays(back_on_the_list: bool) -> None:
    story = Story(at(1)).receive(T.turn(0), T.accepted(1))
    if back_on_the_list:
        timer(story, 2)
    story.wait_until(at(24))
    assert ("closed", False, Reason.TAKEN_NOT_ANSWERED, None) == state(story)
    assert (T.accepted(1).id,) == the(story).because
    assert "closed" == story.published[-1]


def test_a_word_from_the_time_of_the_window_that_arrives_after_it_corrects_the_list() -> None:
    story = Story(at(1)).receive(T.turn(0), T.accepted(1)).wait_until(at(30)).receive(T.answered(3))
    assert ("closed", True, None, None) == state(story)
    assert ["corrected", "closed"] == story.published[-2:]


def test_an_acceptance_that_arrives_after_the_window_names_the_reason() -> None:
    story = Story(at(30)).receive(T.turn(0)).wait_until(at(30)).receive(T.accepted(3))
    assert ("closed", False, Reason.TAKEN_NOT_ANSWERED, None) == state(story)


def test_an_acceptance_from_before_the_bots_end_still_keeps_the_conversation_open() -> None:
    both: list[ConversationFact] = [BOT.bot_ends(0.5), BOT.accepted(0.4)]
    for facts in permutations(both):
        story = Story(at(1), number="bot").receive(BOT.turn(0), BOT.bot_starts(0.01), *facts)
        assert ("active", False, None, ("anna", "accepted")) == state(story)


def test_who_accepts_what_the_bot_has_closed_leaves_the_reason() -> None:
    story = Story(at(1), number="bot").receive(BOT.turn(0), BOT.bot_ends(0.5), BOT.accepted(0.6))
    assert ("closed", False, Reason.BOT_CLOSED, None) == state(story)


def test_after_an_unanswered_acceptance_a_new_choice_queues_the_customer() -> None:
    story = timer(Story(at(1)).receive(T.turn(0, "1"), T.accepted(1)), 2)
    story.receive(T.turn(0.5, "2"))
    assert ("active", False, Reason.TAKEN_NOT_ANSWERED, None) == state(story)
    story.now = at(3)
    story.receive(T.turn(2.5, "2"))
    assert ("active", False, None, ("support", "queued")) == state(story)


def test_a_queue_after_an_unanswered_acceptance_that_nobody_took_has_its_own_reason() -> None:
    story = timer(Story(at(1)).receive(T.turn(0, "1"), T.accepted(1)), 2)
    story.now = at(3)
    story.receive(T.turn(2.5, "2")).wait_until(at(30))
    assert ("closed", False, Reason.NOBODY_TOOK_IT, None) == state(story)


# how long an agent has


@pytest.mark.parametrize(
    ("hours_left", "minutes"),
    [
        (20, 10),
        (41 * MINUTE, 10),
        (40 * MINUTE, 10),
        (36 * MINUTE, 6),  # 30 minutes before the end
        (33 * MINUTE, 3),
        (32 * MINUTE, 3),  # at least 3 minutes
        (1 * MINUTE, 3),
    ],
)
def test_an_agent_has_ten_minutes_but_not_the_last_half_hour_and_at_least_three_minutes(
    hours_left: float, minutes: int
) -> None:
    accepted_at = 24 - hours_left
    story = Story(at(accepted_at)).receive(T.turn(0), T.accepted(accepted_at))
    owner = the(story).owner
    assert owner is not None
    assert owner.until is not None
    assert timedelta(minutes=minutes) == _to_the_second(owner.until - at(accepted_at))


def _to_the_second(length: timedelta) -> timedelta:
    return timedelta(seconds=round(length.total_seconds()))


def test_the_three_times_are_settings() -> None:
    policy = AnswerPolicy(timedelta(minutes=20), timedelta(minutes=60), timedelta(minutes=1))
    end = at(24)
    assert [20, 5, 1] == [
        (answer_by(accepted, end, policy) - accepted) // timedelta(minutes=1)
        for accepted in (at(1), at(23) - timedelta(minutes=5), at(23.9))
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_message_of_the_customer_moves_the_end_but_gives_no_new_ten_minutes(order: tuple[int, ...]) -> None:
    facts: list[ConversationFact] = [T.turn(0), T.accepted(23.4), T.turn(23.45, "hello?")]
    story = Story(at(23.5)).receive(*(facts[place] for place in order))
    assert Owner("user", "anna", "accepted", at(23.4) + timedelta(minutes=10)) == the(story).owner


def test_a_window_that_is_over_reopens_with_the_agent_who_accepted() -> None:
    """A late message moves the window; the acceptance from before counts as if it had come after it."""
    story = Story(at(25)).receive(T.turn(0), T.accepted(1)).wait_until(at(25)).receive(T.turn(20))
    assert ("active", False, None, ("anna", "accepted")) == state(story)
    assert ["reopened", "accepted"] == story.published[-2:]
    timer(story, 25)


# who has it


@pytest.mark.parametrize("order", list(permutations(range(2))))
@pytest.mark.parametrize("offered_to", [None, "anna", "ben"])
def test_of_two_who_accept_the_one_it_was_offered_to_has_it_else_the_first(
    order: tuple[int, ...], offered_to: str | None
) -> None:
    story = Story(at(1)).receive(T.turn(0))
    if offered_to:
        story.decides(1, Owner("user", offered_to, "assigned", at(1.1)), "offered")
    accepted = [T.accepted(1.01, "anna"), T.accepted(1.02, "ben")]
    story.receive(*(accepted[place] for place in order))
    keeps = offered_to or "anna"
    assert ("active", False, None, (keeps, "accepted")) == state(story)
    assert ["accepted", "accepted"] == story.published[-2:]
    last = story.events[-1]
    assert last.conversation.owner is not None
    assert (keeps, accepted[order[-1]].id) == (last.conversation.owner.id, last.because[0])


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_of_three_who_accept_or_write_the_first_has_it_in_any_order(order: tuple[int, ...]) -> None:
    facts: list[ConversationFact] = [T.accepted(0.5, "ben"), T.answered(0.6, "anna"), T.accepted(0.7, "carla")]
    story = Story(at(1)).receive(T.turn(0), *(facts[place] for place in order))
    assert ("active", True, None, ("ben", "accepted")) == state(story)


def test_the_desktop_of_an_agent_who_accepts_what_another_one_answers_is_told_too() -> None:
    story = Story(at(1)).receive(T.turn(0), T.accepted(0.5, "anna"), T.answered(0.6, "anna"))
    version = the(story).version
    story.receive(T.accepted(0.7, "ben"))
    assert ("managed", "agent:ben") == (story.published[-1], story.events[-1].actor)
    assert (version, ("anna", "accepted")) == (the(story).version, state(story)[-1])


def test_who_accepts_again_changes_nothing() -> None:
    story = Story(at(1)).receive(T.turn(0), T.accepted(0.5), T.accepted(0.6))
    assert ["opened", "became_unmanaged", "accepted"] == story.published
    assert Owner("user", "anna", "accepted", at(0.5) + timedelta(minutes=10)) == the(story).owner


def test_who_accepts_after_it_went_back_has_it_for_a_time_of_their_own() -> None:
    for agent in ("anna", "ben"):
        story = timer(Story(at(1)).receive(T.turn(0), T.accepted(1)), 2)
        story.receive(T.accepted(2, agent))
        assert Owner("user", agent, "accepted", at(2) + timedelta(minutes=10)) == the(story).owner


def test_an_acceptance_that_was_on_its_way_while_it_went_back_counts() -> None:
    story = timer(Story(at(1)).receive(T.turn(0), T.accepted(1)), 2).receive(T.accepted(1.1, "ben"))
    assert ("active", False, None, ("ben", "accepted")) == state(story)


def test_of_several_who_accepted_nobody_has_it_after_it_went_back() -> None:
    story = Story(at(1)).receive(T.turn(0), T.accepted(1, "anna"), T.accepted(1.1, "ben"))
    timer(story, 2).receive(T.turn(1.5, "hello?"))
    assert ("active", False, Reason.TAKEN_NOT_ANSWERED, None) == state(story)


# giving back


def gives_back(story: Story, hour: float, agent: str = "anna") -> Story:
    story.now = at(hour)
    conversation = the(story)
    ref = overdue_ref(conversation, story.now)
    decided = recall(conversation, None, agent, ref)
    assert not isinstance(decided, str)
    story.take(decide(story.history, conversation.id, decided, Cause((ref.fact,), agent), story.context))
    return story


@pytest.mark.parametrize("hour", [0.5, 0.50001, 0.4])
def test_who_gives_it_back_never_took_it(hour: float) -> None:
    """Also where the clock of their desktop is ahead of ours: the acceptance has a later time than the recall."""
    story = gives_back(Story(at(1)).receive(T.turn(0), T.accepted(0.5)), hour)
    assert ("active", False, Reason.NO_CHOICE, None) == state(story)
    assert ["released", "became_unmanaged"] == story.published[-2:]
    story.now = at(0.6)
    story.receive(T.turn(0.6, "hello?"))
    assert ("active", False, Reason.NO_CHOICE, None) == state(story)
    assert ("closed", False, Reason.NOBODY_TOOK_IT, None) == state(story.wait_until(at(30)))


def test_who_gave_it_back_and_takes_it_again_has_it() -> None:
    story = gives_back(Story(at(1)).receive(T.turn(0), T.accepted(0.5)), 0.6).receive(T.accepted(0.7))
    assert ("active", False, None, ("anna", "accepted")) == state(story)


# closing


def closed(hour: float, agent: str = "anna", **texts: str | None) -> AgentClosed:
    return T.agent_closes(hour, agent).model_copy(update=texts)


@pytest.mark.parametrize("order", list(permutations(range(2))))
@pytest.mark.parametrize("texts", [{"note": "wrong number"}, {"outcome": "solved"}])
def test_a_close_with_note_or_outcome_by_the_agent_who_had_it_is_human_interaction(
    order: tuple[int, ...], texts: dict[str, str]
) -> None:
    facts: list[ConversationFact] = [T.accepted(0.4), closed(0.5, **texts)]
    story = Story(at(1)).receive(T.turn(0), *(facts[place] for place in order))
    assert ("closed", True, None, None) == state(story)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ([T.accepted(0.4), closed(0.5)], Reason.TAKEN_NOT_ANSWERED),
        ([T.accepted(0.4), closed(0.5, note="  ", outcome="")], Reason.TAKEN_NOT_ANSWERED),
        ([T.accepted(0.4), closed(0.5, "ben", note="spam")], Reason.TAKEN_NOT_ANSWERED),
        ([T.accepted(0.4), T.accepted(0.45, "ben"), closed(0.5, "ben", note="spam")], Reason.TAKEN_NOT_ANSWERED),
        ([closed(0.5, note="spam")], Reason.NO_CHOICE),
        ([closed(0.5, note="spam"), T.accepted(0.6)], Reason.TAKEN_NOT_ANSWERED),
    ],
)
def test_any_other_close_leaves_the_customer_on_the_list(facts: list[ConversationFact], reason: Reason) -> None:
    for order in permutations(facts):
        story = Story(at(1)).receive(T.turn(0), *order)
        assert ("closed", False, reason, None) == state(story)


def test_a_close_by_an_agent_from_whom_it_was_taken_is_no_human_interaction() -> None:
    story = timer(Story(at(1)).receive(T.turn(0), T.accepted(1)), 2).receive(closed(2, note="spam"))
    assert ("closed", False, Reason.TAKEN_NOT_ANSWERED, None) == state(story)
    given = gives_back(Story(at(1)).receive(T.turn(0), T.accepted(0.5)), 0.6).receive(closed(0.8, note="spam"))
    assert ("closed", False, Reason.NOBODY_TOOK_IT, None) == state(given)


def test_of_two_who_accepted_the_close_of_the_one_it_was_offered_to_counts() -> None:
    story = Story(at(1)).receive(T.turn(0))
    story.decides(1, Owner("user", "ben", "assigned", at(1.1)), "offered")
    story.receive(T.accepted(1.01, "anna"), T.accepted(1.02, "ben"), closed(1.05, "ben", note="solved by phone"))
    assert ("closed", True, None, None) == state(story)


def test_a_close_counts_for_nothing_if_the_customer_wrote_after_it_or_the_window_was_over() -> None:
    late = Story(at(1)).receive(T.turn(0), T.turn(0.6, "one more thing"), T.accepted(0.4), closed(0.5, note="done"))
    assert ("active", False, None, ("anna", "accepted")) == state(late)
    after = Story(at(26)).receive(T.turn(0), T.accepted(23))
    named = closed(25, note="done").model_copy(update={"conversation_id": the(after).id})
    assert ("closed", False, Reason.TAKEN_NOT_ANSWERED, None) == state(after.receive(named))
