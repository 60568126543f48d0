"""The promise of domain.md, *Facts and decisions*: a conversation does not depend on the order in which its facts
arrived."""

from datetime import timedelta
from itertools import pairwise, permutations
from typing import Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.conversations.events import Cause
from domain.conversations.fold import decide
from domain.facts import AgentAccepted, AgentClosed, AgentMessage, ConversationFact, CustomerTurn, HumanEcho
from domain.routing.transfers import after_no_reply, is_reply_missing, no_reply_ref
from tests.support.stories import FactMaker, Story, at

MENU = FactMaker()
BOT = FactMaker("bot")
PLAIN = FactMaker("plain")
TEXTS = st.sampled_from(["hello", "1", "2", "9", "thanks", None])
KINDS: st.SearchStrategy[Literal["content", "untyped"] | None] = st.sampled_from([None, None, "content", "untyped"])
AGENTS = st.sampled_from(["anna", "ben"])
NOTES = st.sampled_from([None, "spam"])
HOURS = st.integers(0, 23 * 60).map(lambda minutes: minutes / 60)


@st.composite
def promised_stories(draw: st.DrawFn) -> tuple[FactMaker, list[ConversationFact]]:
    """Messages pairwise less than 24 h apart, also such as WhatsApp does not pass on; ends, if any, after the last
    message; no commands, presence or new identity."""
    maker = draw(st.sampled_from([MENU, BOT, PLAIN]))
    turns: list[ConversationFact] = [
        maker.unreadable(hour, kind) if (kind := draw(KINDS)) else maker.turn(hour, draw(TEXTS))
        for hour in draw(st.lists(HOURS, min_size=1, max_size=4, unique=True))
    ]
    latest = 47 * 60
    if not all(isinstance(turn, CustomerTurn) for turn in turns):
        # a window that began with an unreadable message ends sooner if an earlier one arrives late
        latest = min((turn.at - at(0)) // timedelta(minutes=1) for turn in turns) + 24 * 60 - 1
    other_hours = st.integers(-10, latest).map(lambda minutes: minutes / 60)
    sessions = st.sampled_from(["s1", "s2"])
    others = draw(
        st.lists(
            st.one_of(
                st.builds(maker.signal, other_hours),
                st.builds(maker.echo, other_hours),
                st.builds(maker.bot, other_hours, sessions),
                st.builds(maker.bot_starts, other_hours, sessions),
                st.builds(maker.choice, other_hours, st.sampled_from(["sales", "support", "nowhere"]), sessions),
                st.builds(maker.handoff, other_hours, st.sampled_from(["sales", "nowhere"]), sessions),
                st.builds(maker.accepted, other_hours, AGENTS),
                st.builds(maker.accepted, other_hours, AGENTS),
                st.builds(maker.answered, other_hours, AGENTS),
            ),
            max_size=5,
        )
    )
    last = max((turn.at for turn in turns), default=at(0))
    longest = 26 * 60
    if not all(isinstance(turn, CustomerTurn) for turn in turns):
        longest = max(1, latest - (last - at(0)) // timedelta(minutes=1))
    after = st.integers(1, longest).map(lambda m: (last - at(0)) / timedelta(hours=1) + m / 60)
    ends = draw(
        st.lists(
            st.one_of(st.builds(maker.bot_ends, after, sessions), st.builds(maker.agent_closes, after, AGENTS, NOTES)),
            max_size=2,
        )
    )
    texts = [turn for turn in turns if isinstance(turn, CustomerTurn)]
    minutes = st.integers(1, 14).map(lambda minutes: minutes / 60)
    changed = [
        maker.deletes(hour, turn) if (text := draw(TEXTS)) is None else maker.edits(hour, turn, text)
        for turn in (
            draw(st.lists(st.sampled_from(texts), max_size=3, unique_by=lambda turn: turn.id)) if texts else []
        )
        if (hour := (turn.at - at(0)) / timedelta(hours=1) + draw(minutes)) is not None
    ]
    facts = {fact.id: fact for fact in [*turns, *others, *ends, *changed]}
    return maker, list(facts.values())


def outcome(story: Story) -> dict[str, object]:
    """The parts of the only conversation that the promise names."""
    (conversation,) = story.history.conversations
    last, owner = story.events[-1], conversation.owner
    return {
        "transcript": story.transcript(),
        "opened_at": conversation.opened_at,
        "window_ends_at": conversation.window_ends_at,
        "status": conversation.status,
        "closed_at": conversation.closed_at,
        "managed": conversation.managed,
        "reason": conversation.reason,
        "because": conversation.because,
        "evidence": conversation.evidence,
        "accepted": owner if owner is not None and owner.state == "accepted" else None,
        "chosen": conversation.evidence.route,
        "last_text": conversation.last_text,
        "entries": conversation.entries,
        "last event": (last.name, last.conversation.reason, last.conversation.status, last.conversation.managed),
    }


@given(promised_stories(), st.data(), st.sampled_from([5, 20, 24.5, 30, 50, 80]))
def test_any_order_and_repetition_gives_the_same_conversation(
    story: tuple[FactMaker, list[ConversationFact]], data: st.DataObject, hour: float
) -> None:
    maker, facts = story
    expected = outcome(Story(at(hour), number=maker.number).receive(*facts))
    shuffled = data.draw(st.permutations([*facts, *facts[:2]]))
    assert expected == outcome(Story(at(hour), number=maker.number).receive(*shuffled))


def without_replies(story: Story) -> Story:
    """Runs the timer that takes customers without a reply in time from those who answered them."""
    story.wait_until(story.now)
    for conversation in story.history.conversations:
        if is_reply_missing(conversation, story.now):
            ref = no_reply_ref(conversation, story.now)
            decided, cause = after_no_reply(conversation, ref), Cause((ref.fact,), "clock")
            story.take(decide(story.history, conversation.id, decided, cause, story.context))
    return story


@given(promised_stories(), st.data(), st.sampled_from([5, 20, 24.5]))
def test_a_missing_reply_gives_the_same_reason_in_any_order(
    story: tuple[FactMaker, list[ConversationFact]], data: st.DataObject, hour: float
) -> None:
    """All facts arrive before the timer looks, and a reply after it."""
    maker, facts = story
    shuffled = data.draw(st.permutations(facts))
    stories = [Story(at(hour), number=maker.number).receive(*order) for order in (facts, shuffled)]
    if any(c.reply_by != d.reply_by for c, d in zip(*(s.history.conversations for s in stories), strict=True)):
        assume(all(c.reply_by is None or c.reply_by <= at(hour) for s in stories for c in s.history.conversations))
    expected, other = (outcome(without_replies(each)) for each in stories)
    assert expected == other
    assert outcome(stories[0].receive(maker.answered(48))) == outcome(stories[1].receive(maker.answered(48)))


@st.composite
def any_stories(draw: st.DrawFn) -> list[ConversationFact]:
    """Anything that a customer, a bot and agents can do in five days."""
    hours = st.integers(-60, 120 * 60).map(lambda minutes: minutes / 60)
    maker = MENU
    facts = draw(
        st.lists(
            st.one_of(
                st.builds(maker.turn, hours, TEXTS),
                st.builds(maker.turn, hours, TEXTS),
                st.builds(maker.signal, hours, st.just("text"), st.booleans()),
                st.builds(maker.unreadable, hours, st.sampled_from(["content", "untyped"])),
                st.builds(maker.handover, hours),
                st.builds(maker.echo, hours),
                st.builds(maker.bot, hours, st.sampled_from(["s1", "s2"])),
                st.builds(maker.bot_ends, hours, st.sampled_from(["s1", "s2"])),
                st.builds(maker.choice, hours, st.sampled_from(["sales", "nowhere"])),
                st.builds(maker.accepted, hours, AGENTS),
                st.builds(maker.answered, hours, AGENTS),
                st.builds(maker.agent_closes, hours, AGENTS, NOTES),
            ),
            min_size=1,
            max_size=10,
        )
    )
    return list({fact.id: fact for fact in facts}.values())


@given(any_stories(), st.integers(0, 130))
def test_each_fact_belongs_to_one_conversation_or_waits_and_no_conversation_with_a_human_touch_is_listed(
    facts: list[ConversationFact], hour: int
) -> None:
    story = Story(at(hour)).receive(*facts)
    conversations = story.history.conversations
    waiting = {fact.id for fact in story.history.waiting}
    placed = {fact for fact, conversation in story.places.items() if conversation is not None}
    assert {fact.id for fact in facts} == placed | waiting
    assert placed & waiting == set()
    assert sum(c.entries for c in conversations) == len(placed)
    assert all(isinstance(fact, CustomerTurn) <= (fact.id in placed) for fact in facts)
    for conversation in conversations:
        assert not (conversation.unmanaged and conversation.managed)
        assert not (conversation.status == "closed" and conversation.owner)
        touched = any(story.places[f.id] == conversation.id and isinstance(f, HumanEcho | AgentMessage) for f in facts)
        assert conversation.managed >= touched
        if conversation.managed and not touched:
            assert conversation.status == "closed"
            assert any(story.places[f.id] == conversation.id and f.note for f in facts if isinstance(f, AgentClosed))
        assert conversation.unmanaged == (
            not conversation.managed and (conversation.status == "closed" or conversation.owner is None)
        )
        accepted = any(story.places[f.id] == conversation.id for f in facts if isinstance(f, AgentAccepted))
        if accepted and conversation.status == "active":
            assert conversation.owner is not None
            assert "accepted" == conversation.owner.state
            assert conversation.managed == (conversation.owner.until is None)
    assert sum(c.status == "active" for c in conversations) <= 1
    spans = [(c.opened_at, c.window_ends_at) for c in conversations]
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert len({c.id for c in conversations}) == len(conversations)


@given(any_stories(), st.integers(0, 130), st.integers(0, 130))
def test_public_events_are_numbered_without_gaps_and_the_last_one_describes_the_conversation(
    facts: list[ConversationFact], hour: int, later: int
) -> None:
    story = Story(at(hour)).receive(*facts).wait_until(at(hour + later))
    for conversation in story.history.conversations:
        events = [e for e in story.events if e.conversation.id == conversation.id]
        assert list(range(1, len(events) + 1)) == [e.conversation.sequence for e in events]
        last = events[-1].conversation
        assert (last.status, last.managed, last.reason, last.owner) == (
            conversation.status,
            conversation.managed,
            conversation.reason,
            conversation.owner,
        )


@given(any_stories(), st.integers(0, 130))
def test_a_second_run_of_the_timer_changes_nothing(facts: list[ConversationFact], hour: int) -> None:
    story = Story(at(hour)).receive(*facts)
    once = story.wait_until(at(hour + 20)).history
    published = len(story.events)
    assert once == story.wait_until(at(hour + 20)).history
    assert published == len(story.events)


@pytest.mark.parametrize("order", list(permutations([0, 23, 25])))
@pytest.mark.parametrize("now", [25.1, 26, 48, 60])
def test_messages_at_0_23_and_25_hours_give_the_same_transcript_in_all_six_orders(
    order: tuple[int, ...], now: float
) -> None:
    story = Story(at(now)).receive(*(MENU.turn(hour, f"at {hour}") for hour in order))
    assert [MENU.turn(hour, f"at {hour}").id for hour in (0, 23, 25)] == story.transcript()
    assert sum(c.status == "active" for c in story.history.conversations) <= 1
    assert at(49) == story.history.conversations[-1].window_ends_at
