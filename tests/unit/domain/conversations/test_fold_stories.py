"""The conversations that the facts of one customer lead to (domain.md)."""

from dataclasses import replace
from datetime import time, timedelta
from itertools import permutations
from typing import ClassVar, Literal

import pytest

from domain.conversations.conversation import Conversation, Owner
from domain.conversations.fold import fold, settle
from domain.conversations.history import FoldContext
from domain.conversations.reasons import Reason
from domain.directory import Directory, Number, Opening
from domain.facts import ConversationFact, HumanEcho
from tests.support.stories import CUSTOMER, DIRECTORY, NUMBER, FactMaker, Story, at

T = FactMaker()
BOT = FactMaker("bot")


def latest(story: Story) -> Conversation:
    return story.history.conversations[-1]


def conversation(story: Story) -> tuple[object, ...]:
    """Status, managed, reason and owner of the only conversation."""
    (c,) = story.history.conversations
    return c.status, c.managed, c.reason, c.owner and (c.owner.id, c.owner.state)


def test_a_customer_who_chooses_nothing_is_unmanaged_until_the_window_closes() -> None:
    story = Story(at(0)).receive(T.turn(0, "hello"))
    assert ("active", False, Reason.NO_CHOICE, None) == conversation(story)
    story.wait_until(at(23.99))
    assert ("active", False, Reason.NO_CHOICE, None) == conversation(story)
    story.wait_until(at(24))
    assert ("closed", False, Reason.NO_CHOICE, None) == conversation(story)
    assert at(24) == story.history.conversations[0].closed_at
    assert ["opened", "became_unmanaged", "closed"] == story.published


@pytest.mark.parametrize("late", [1, 3, 4])
def test_an_answer_counts_for_the_conversation_of_its_time_even_if_it_arrives_late(late: int) -> None:
    """The bot ended, the customer wrote again, a person answered. `late`: which of the facts arrives last."""
    facts: list[ConversationFact] = [
        *(BOT.turn(0), BOT.bot_starts(0.01), BOT.bot_ends(0.1)),
        *(BOT.turn(0.3, "again"), BOT.echo(0.5)),
    ]
    story = Story(at(1), number=BOT.number).receive(*facts[:late], *facts[late + 1 :], facts[late])
    first, second = story.history.conversations
    assert ("closed", False, Reason.BOT_CLOSED, 3) == (first.status, first.managed, first.reason, first.entries)
    assert ("active", True, None, 2) == (second.status, second.managed, second.reason, second.entries)
    assert [fact.id for fact in facts] == story.transcript()


def test_a_conversation_published_as_closed_stays_closed_for_a_fact_that_was_received_before_that() -> None:
    """Facts of one customer may lie on several partitions, and one of them may lag behind."""
    story = Story(at(25)).receive(T.turn(0, "hello")).wait_until(at(25))
    story.now = at(20)
    story.receive(T.signal(10))
    assert ("closed", False, Reason.NO_CHOICE, None) == conversation(story)
    story.receive(T.turn(19))
    assert ("active", False, Reason.NO_CHOICE, None) == conversation(story)
    assert ["opened", "became_unmanaged", "closed", "reopened", "became_unmanaged"] == story.published


def test_a_customer_who_chooses_a_skillset_is_queued_and_no_longer_on_the_list() -> None:
    story = Story(at(1)).receive(T.turn(0, "hello"), T.turn(0.1, " 1. "))
    assert ("active", False, None, ("sales", "queued")) == conversation(story)
    assert ["opened", "became_unmanaged", "queued"] == story.published


def test_a_queued_conversation_that_nobody_took_is_listed_when_its_window_closes() -> None:
    story = Story(at(1)).receive(T.turn(0, "2")).wait_until(at(30))
    assert ("closed", False, Reason.NOBODY_TOOK_IT, None) == conversation(story)
    assert ["opened", "queued", "became_unmanaged", "closed"] == story.published


def test_a_choice_that_does_not_exist_is_the_reason_for_the_listing() -> None:
    story = Story(at(1)).receive(T.turn(0, "hello"), T.turn(0.1, "7"))
    assert ("active", False, Reason.INVALID_CHOICE, None) == conversation(story)
    assert (T.turn(0.1, "7").id,) == story.history.conversations[0].because
    assert ["opened", "became_unmanaged", "became_unmanaged"] == story.published


def test_an_earlier_choice_that_arrives_late_reroutes_while_still_queued() -> None:
    story = Story(at(2)).receive(T.turn(1, "2"), T.turn(0.5, "1"))
    assert ("active", False, None, ("sales", "queued")) == conversation(story)
    accepted = Story(at(2)).receive(T.turn(1, "2"), T.accepted(1.1), T.turn(0.5, "1"))
    assert ("active", False, None, ("anna", "accepted")) == conversation(accepted)


def test_a_number_without_a_menu_has_its_own_reason() -> None:
    plain = FactMaker("nobody knows this number")
    story = Story(at(1), number=plain.number).receive(plain.turn(0, "1"))
    assert ("active", False, Reason.NUMBER_HAS_NO_MENU, None) == conversation(story)


def test_the_reason_is_out_of_hours_only_if_every_message_was_out_of_hours() -> None:
    number = replace(DIRECTORY.number(NUMBER), hours={"mon": (Opening(time(9), time(13)),)})
    directory = Directory({NUMBER: number}, DIRECTORY.skillsets)
    night = Story(at(10), directory).receive(T.turn(9, "hello"))
    assert ("active", False, Reason.OUT_OF_HOURS, None) == conversation(night)
    night.receive(T.turn(2, "I wrote at noon"))
    assert ("active", False, Reason.NO_CHOICE, None) == conversation(night)


def test_the_end_of_the_bot_session_closes_the_conversation_and_is_the_reason() -> None:
    story = Story(at(1), number="bot").receive(BOT.turn(0), BOT.bot_starts(0.01), BOT.bot_ends(0.5))
    assert ("closed", False, Reason.BOT_CLOSED, None) == conversation(story)
    assert at(0.5) == story.history.conversations[0].closed_at


def test_the_end_of_a_bot_session_does_not_count_after_a_hand_over_nor_for_an_older_session() -> None:
    routed = Story(at(1), number="bot").receive(BOT.turn(0), BOT.handoff(0.1, "sales"), BOT.bot_ends(0.5))
    assert ("active", False, None, ("sales", "queued")) == conversation(routed)
    newer = Story(at(1), number="bot").receive(BOT.turn(0), BOT.bot(0.1), BOT.bot(0.3, "s2"), BOT.bot_ends(0.5, "s1"))
    assert "active" == newer.history.conversations[0].status


def test_a_skillset_of_the_bot_that_does_not_exist_is_a_failed_choice() -> None:
    story = Story(at(1), number="bot").receive(BOT.turn(0), BOT.choice(0.1, "nowhere"))
    assert ("active", False, Reason.INVALID_CHOICE, None) == conversation(story)


def test_a_message_after_the_end_of_the_bot_session_opens_the_next_conversation() -> None:
    story = Story(at(3), number="bot").receive(BOT.turn(0), BOT.bot_ends(0.5), BOT.turn(2, "still here?"))
    first, second = story.history.conversations
    assert ("closed", "active", first.id) == (first.status, second.status, second.previous)


def test_an_answer_by_an_agent_or_from_the_phone_app_takes_the_conversation_off_the_list() -> None:
    for touch in (T.answered(0.5), T.echo(0.5)):
        story = Story(at(1)).receive(T.turn(0), touch)
        assert story.history.conversations[0].managed
        assert ["opened", "became_unmanaged", "managed"] == story.published


def test_a_human_touch_that_arrives_after_the_listing_corrects_it() -> None:
    story = Story(at(30)).receive(T.turn(0)).wait_until(at(30)).receive(T.echo(3))
    assert ("closed", True, None, None) == conversation(story)
    assert ["corrected", "closed"] == story.published[-2:]


def test_an_agents_closing_without_an_answer_leaves_it_unmanaged() -> None:
    story = Story(at(1)).receive(T.turn(0), T.agent_closes(0.5))
    assert ("closed", False, Reason.NO_CHOICE, None) == conversation(story)


def test_a_message_that_arrives_after_its_window_opens_a_conversation_that_is_closed_at_once() -> None:
    story = Story(at(100)).receive(T.turn(0))
    assert ("closed", False, Reason.NO_CHOICE, None) == conversation(story)
    assert ["opened", "became_unmanaged", "closed"] == story.published


def test_a_late_message_that_moves_the_window_beyond_now_reopens_the_conversation() -> None:
    story = Story(at(25)).receive(T.turn(0, "2")).wait_until(at(25)).receive(T.turn(20, "please"))
    assert ("active", False, None, ("support", "queued")) == conversation(story)
    assert ["reopened", "queued"] == story.published[-2:]


def test_signals_and_messages_of_bots_and_agents_open_no_conversation_and_move_no_window() -> None:
    story = Story(at(1)).receive(T.signal(0.5), T.bot(0.6), T.echo(0.7))
    assert [] == list(story.history.conversations)
    story.receive(T.turn(0))
    assert (4, at(24)) == (story.history.conversations[0].entries, story.history.conversations[0].window_ends_at)


def test_a_message_that_whatsapp_does_not_pass_on_opens_a_conversation_with_its_own_reason() -> None:
    signal = T.unreadable(0)
    story = Story(at(1)).receive(signal)
    (conversation,) = story.history.conversations
    assert (at(0), at(24), at(0)) == (conversation.opened_at, conversation.window_ends_at, conversation.last_at)
    assert (Reason.UNREADABLE, (signal.id,)) == (conversation.reason, conversation.because)
    assert (CUSTOMER.wa_id, "Sheena") == (conversation.wa_id, conversation.customer_name)
    assert ["opened", "became_unmanaged"] == story.published
    story.receive(T.turn(0.5, "hello?"))
    assert (Reason.NO_CHOICE, at(24.5)) == (latest(story).reason, latest(story).window_ends_at)


@pytest.mark.parametrize("kind", ["content", "untyped"])
def test_such_a_message_moves_no_window_that_stands(kind: Literal["content", "untyped"]) -> None:
    facts: list[ConversationFact] = [T.turn(0), T.unreadable(20, kind)]
    for order in permutations(facts):
        (conversation,) = Story(at(21)).receive(*order).history.conversations
        assert (at(24), 2, Reason.NO_CHOICE) == (conversation.window_ends_at, conversation.entries, conversation.reason)


@pytest.mark.parametrize(
    ("hours_before", "opens"), [(None, True), (1, False), (30, False), (60, False), (60.1, True), (90, True)]
)
def test_a_message_without_a_kind_opens_a_conversation_only_if_it_cannot_be_an_edit_of_another(
    hours_before: float | None, opens: bool
) -> None:
    story = Story(at(100)).receive(*([T.turn(100 - hours_before)] if hours_before else []))
    before = len(story.history.conversations)
    story.receive(T.unreadable(100, "untyped"))
    assert opens == (len(story.history.conversations) > before)
    assert (hours_before == 1) or (opens is not bool(story.history.waiting))


def test_the_deletion_of_a_picture_that_could_not_be_read_opens_no_second_conversation() -> None:
    story = Story(at(60)).receive(T.unreadable(0, "untyped"), T.unreadable(40, "untyped"))
    assert (1, 1) == (len(story.history.conversations), len(story.history.waiting))


def test_content_after_the_goodbye_of_an_agent_is_the_next_conversation() -> None:
    facts: list[ConversationFact] = [T.turn(0), T.answered(0.1), T.agent_closes(0.2), T.unreadable(0.5)]
    for order in (facts, [facts[3], *facts[:3]]):
        story = Story(at(1)).receive(*order)
        assert any(c.status == "active" for c in story.history.conversations)


def test_an_answer_outside_the_window_that_an_earlier_message_gives_waits() -> None:
    facts: list[ConversationFact] = [T.turn(0), T.unreadable(20), T.echo(30)]
    for order in permutations(facts):
        story = Story(at(31)).receive(*order)
        assert (False, at(24)) == (latest(story).managed, latest(story).window_ends_at)
        assert [T.echo(30)] == list(story.history.waiting)


def test_when_metas_assistant_hands_over_the_last_message_to_it_opens_a_conversation() -> None:
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        facts: list[ConversationFact] = [
            T.signal(0, "text", standby_turn=True),
            T.signal(0.5, "text", standby_turn=True),
            T.handover(0.6),
        ]
        story = Story(at(1)).receive(*(facts[i] for i in order))
        assert "active" == story.history.conversations[0].status
        assert at(0.6) > story.history.conversations[0].opened_at
    alone = Story(at(1)).receive(T.handover(0.6))
    assert [] == list(alone.history.conversations)


ASSISTANT = (T.signal(20, "text", standby_turn=True), T.handover(20.1))
"""The customer writes to Meta's AI, which gives up on them."""


@pytest.mark.parametrize("order", list(permutations([*ASSISTANT, T.turn(0), T.answered(1)])))
def test_who_was_answered_before_waits_for_a_reply_when_metas_assistant_hands_over(
    order: tuple[ConversationFact, ...],
) -> None:
    story = Story(at(20.2)).receive(*order)
    (conversation,) = story.history.conversations
    assert (at(20), at(44)) == (conversation.waits_since, conversation.window_ends_at)
    assert ASSISTANT[0].id == story.transcript()[-2]


@pytest.mark.parametrize("order", list(permutations([*ASSISTANT, T.turn(0), T.agent_closes(2)])))
def test_who_was_said_goodbye_before_is_on_the_list_when_metas_assistant_hands_over(
    order: tuple[ConversationFact, ...],
) -> None:
    story = Story(at(20.2)).receive(*order)
    assert ("active", True, at(44)) == (latest(story).status, latest(story).unmanaged, latest(story).window_ends_at)
    assert latest(story).id == story.places[ASSISTANT[0].id]


def test_a_conversation_that_metas_assistant_opened_keeps_its_turn_when_it_is_collected_again() -> None:
    story = Story(at(21)).receive(*ASSISTANT)
    (before,) = story.history.conversations
    story.take(settle(story.history, before.id, ASSISTANT, story.context))
    assert before.evidence == story.history.conversations[0].evidence


def test_the_version_counts_changes_of_owner_status_and_managed_only() -> None:
    story = Story(at(1)).receive(T.turn(0, "hello"), T.turn(0.1, "7"), T.signal(0.2))
    assert 1 == story.history.conversations[0].version
    story.receive(T.turn(0.3, "1"), T.accepted(0.4))
    assert (3, Owner("user", "anna", "accepted", at(0.4) + timedelta(minutes=10))) == (
        story.history.conversations[0].version,
        story.history.conversations[0].owner,
    )
    story.receive(T.answered(0.5))
    assert 4 == story.history.conversations[0].version


class OneOfMany(HumanEcho):
    """An echo that counts how often two of them are compared."""

    comparisons: ClassVar[int] = 0

    def __eq__(self, other: object) -> bool:
        OneOfMany.comparisons += 1
        return super().__eq__(other)

    __hash__ = HumanEcho.__hash__


def test_waiting_facts_are_adopted_in_linear_time() -> None:
    waiting = [OneOfMany.model_construct(**dict(T.echo(0.5 - n / 1000))) for n in range(400)]
    thread = Story(at(1)).history._replace(waiting=tuple(waiting))
    step = fold(thread, T.turn(0, "hello"), FoldContext(DIRECTORY, at(1)))
    assert (401, 0) == (len(step.placements), OneOfMany.comparisons)
    assert () == step.history.waiting


@pytest.mark.parametrize("hours", [0, 23.9, 24.1, 49])
def test_the_last_text_and_the_name_are_those_of_the_last_message_that_had_one(hours: float) -> None:
    story = Story(at(hours)).receive(T.turn(1, None), T.turn(0.5, "second"), T.turn(0, "first"))
    assert ("second", "Sheena") == (
        story.history.conversations[0].last_text,
        story.history.conversations[0].customer_name,
    )


def test_a_number_that_the_directory_does_not_know_has_default_settings() -> None:
    assert Number("x") == DIRECTORY.number("x")
