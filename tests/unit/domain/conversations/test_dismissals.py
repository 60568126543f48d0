"""A dismissed conversation is neither on the list nor managed, until something reaches us that the customer wrote
(domain.md, *Dismissing*)."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arrival import arrival
from domain.command_bodies.parts import Target
from domain.commands import Dismiss, Rejection, Transfer
from domain.conversations.conversation import Conversation, FactRef, Owner, decision_ref
from domain.conversations.events import Cause
from domain.conversations.fold import decide, settle
from domain.conversations.reasons import Reason
from domain.facts import ConversationFact
from domain.ids import fact_id
from domain.routing.dismissals import dismiss, restored
from domain.routing.transfers import (
    RoutingPolicy,
    after_expiry,
    after_no_reply,
    after_overdue,
    no_reply_ref,
    overdue_ref,
    transfer,
)
from tests.support.stories import DIRECTORY, FactMaker, Story, at

T = FactMaker()
PLAIN = FactMaker("plain")
SECOND = 1 / 3600
MINUTE = 1 / 60


def the(story: Story) -> Conversation:
    (conversation,) = story.history.conversations
    return conversation


def state(story: Story) -> tuple[object, ...]:
    """Status, managed, reason and why it is dismissed."""
    c = the(story)
    return c.status, c.managed, c.reason, c.dismissed and c.dismissed.why


def command(hour: float) -> FactRef:
    return decision_ref(at(hour), fact_id("command", f"dismissed at {hour}"))


def dismissed(
    story: Story, hour: float, why: str = "no_answer_needed", note: str | None = None, version: int | None = None
) -> Rejection | None:
    """Dismisses the only conversation, as the commands consumer does; returns why that is rejected."""
    story.wait_until(at(hour))
    conversation = the(story)
    body = Dismiss.model_validate(
        {"conversation_id": conversation.id, "why": why, "note": note, "expected_version": version}
    )
    return decided(story, dismiss(conversation, body, "maria", command(hour)), hour, note)


def recalled(story: Story, hour: float, version: int | None = None) -> Rejection | None:
    story.wait_until(at(hour))
    return decided(story, restored(the(story), version), hour)


def decided(story: Story, decisions: object, hour: float, note: str | None = None) -> Rejection | None:
    if isinstance(decisions, Rejection):
        return decisions
    cause = Cause((command(hour).fact,), "maria", note)
    story.take(decide(story.history, the(story).id, decisions, cause, story.context))  # type: ignore[arg-type]
    return None


def wrote(*facts: ConversationFact) -> Story:
    return Story(at(1)).receive(*(facts or (T.turn(0, "CONGRATULATIONS"),)))


def test_metas_assistant_that_gives_up_on_the_customer_ends_the_dismissal() -> None:
    story = Story(at(0.1)).receive(T.turn(0))
    assert dismissed(story, 0.2) is None
    story.receive(T.signal(1, "text", standby_turn=True))
    assert "no_answer_needed" == state(story)[3]
    story.receive(T.handover(1.1))
    assert ("active", False, Reason.NO_CHOICE, None) == state(story)
    assert at(25) == the(story).window_ends_at


def test_a_dismissed_conversation_is_neither_on_the_list_nor_managed() -> None:
    story = wrote()
    before = the(story).version
    assert dismissed(story, 1, "spam", "A prize centre") is None
    assert ("active", False, None, "spam") == state(story)
    assert not the(story).unmanaged
    assert before + 1 == the(story).version
    event = story.events[-1]
    assert ("dismissed", "maria", "A prize centre") == (event.name, event.actor, event.note)


def test_at_the_end_of_its_window_it_closes_as_dismissed() -> None:
    story = wrote()
    dismissed(story, 1)
    story.wait_until(at(24))
    assert ("closed", False, None, "no_answer_needed") == state(story)
    assert ("closed", "clock") == (story.events[-1].name, story.events[-1].actor)
    assert "became_unmanaged" not in story.published[story.published.index("dismissed") :]


@pytest.mark.parametrize("why", ["no_answer_needed", "spam", "duplicate"])
def test_the_customers_next_message_brings_it_back_to_the_list(why: str) -> None:
    """Also if it was called spam: that may have been wrong, and the person who dismissed it did not read this."""
    story = wrote()
    dismissed(story, 1, why)
    story.receive(T.turn(2, "I am a real customer"))
    assert ("active", False, Reason.NO_CHOICE, None) == state(story)
    assert "became_unmanaged" == story.published[-1]


def test_a_message_that_whatsapp_does_not_pass_on_brings_it_back_too() -> None:
    story = wrote()
    dismissed(story, 1)
    story.receive(T.unreadable(2, "content"))
    assert the(story).unmanaged


def test_a_reaction_an_edit_or_a_deletion_does_not_bring_it_back() -> None:
    first = T.turn(0, "Thanks!")
    story = wrote(first)
    dismissed(story, 1)
    story.receive(T.signal(2), T.edits(1.1, first, "Thank you!"), T.deletes(1.2, first))
    assert ("active", False, None, "no_answer_needed") == state(story)


@pytest.mark.parametrize("written", [0.9, 0.5 - SECOND, 0.2])
def test_a_message_that_arrives_late_brings_it_back_because_nobody_had_seen_it(written: float) -> None:
    """Also one that is older than the last one that was seen, which stays the last one."""
    for late in (T.turn(written, "Please call me"), T.unreadable(written, "content")):
        story = wrote(T.turn(0), T.turn(0.5, "?"))
        dismissed(story, 1)
        story.receive(late)
        assert ("active", False, Reason.NO_CHOICE, None) == state(story)


def test_a_message_that_was_known_does_not_bring_it_back_when_it_is_repeated_or_placed_again() -> None:
    known = T.turn(0), T.turn(0.5, "of before"), T.unreadable(0.6, "content")
    story = wrote(*known)
    dismissed(story, 1)
    story.receive(*known)
    story.take(settle(story.history, the(story).id, known, story.context))
    assert ("active", False, None, "no_answer_needed") == state(story)


def test_a_message_of_the_second_of_the_dismissal_that_was_known_does_not_bring_it_back() -> None:
    story = wrote(T.turn(0), T.turn(1, "of that second"))
    assert dismissed(story, 1 + 0.5 * SECOND) is None
    assert ("active", False, None, "no_answer_needed") == state(story)


@pytest.mark.parametrize("written", [0.9, 1.5])
def test_a_choice_that_arrives_afterwards_queues_it(written: float) -> None:
    story = wrote()
    dismissed(story, 1)
    story.receive(T.turn(written, "2"))
    owner = the(story).owner
    assert owner is not None
    assert ("queued", "support") == (owner.state, owner.id)
    assert the(story).dismissed is None


def test_a_choice_in_the_bot_queues_it_if_it_reached_us_afterwards() -> None:
    for arrived, owner in ((0.95, None), (1.05, Owner("skillset", "sales", "queued"))):
        story = wrote(T.turn(0))
        dismissed(story, 1)
        story.receive(T.choice(0.9, "sales").model_copy(update={"arrival": arrival(at(arrived))}))
        assert owner == the(story).owner


def test_a_word_of_a_human_makes_it_managed() -> None:
    for word in (T.answered(2), T.echo(2), T.answered(0.5)):
        story = wrote()
        dismissed(story, 1)
        assert ("active", True, None, None) == state(story.receive(word))


def test_an_agent_who_accepts_it_has_it_and_nobodys_word_by_then_puts_it_on_the_list() -> None:
    story = wrote()
    dismissed(story, 1)
    story.receive(T.accepted(1.5))
    owner = the(story).owner
    assert owner is not None
    assert (None, "accepted") == (the(story).dismissed, owner.state)
    story.wait_until(at(2))
    ref = overdue_ref(the(story), story.now)
    story.take(
        decide(story.history, the(story).id, after_overdue(the(story), ref), Cause((ref.fact,), "clock"), story.context)
    )
    assert Reason.TAKEN_NOT_ANSWERED == the(story).reason


def test_it_can_be_transferred_and_an_expired_reservation_does_not_dismiss_it_again() -> None:
    story = wrote()
    dismissed(story, 1)
    body = Transfer(conversation_id=the(story).id, target=Target(kind="skillset", id="sales"), mode="exclusive")
    decided(story, transfer(the(story), body, DIRECTORY, {}, command(2), RoutingPolicy()), 2)
    owner = the(story).owner
    assert owner is not None
    assert (None, "reserved") == (the(story).dismissed, owner.state)
    decided(story, after_expiry(the(story), command(3)), 3)
    assert ("active", False, Reason.RESERVATION_EXPIRED, None) == state(story)


def test_a_recall_puts_it_on_the_list_as_it_was() -> None:
    story = wrote(T.turn(0, "9"))
    before = the(story)
    dismissed(story, 1)
    assert recalled(story, 2) is None
    after = the(story)
    assert (before.reason, before.because, before.decisions) == (after.reason, after.because, after.decisions)
    assert Reason.INVALID_CHOICE == after.reason
    assert [("became_unmanaged", "maria")] == [(e.name, e.actor) for e in story.events[-1:]]


def test_a_closed_one_can_be_dismissed_and_that_can_be_recalled() -> None:
    """Spam that nobody saw in time is put away too, and who was put away by mistake counts as lost."""
    story = wrote()
    assert dismissed(story, 30, "spam") is None
    assert ("closed", False, None, "spam") == state(story)
    assert ["dismissed", "closed"] == story.published[-2:]
    assert recalled(story, 31) is None
    assert ("closed", False, Reason.NO_CHOICE, None) == state(story)
    assert ["became_unmanaged", "closed"] == story.published[-2:]


def test_a_late_message_that_moves_the_window_reopens_it_on_the_list() -> None:
    story = wrote()
    dismissed(story, 2)
    story.wait_until(at(24.5)).receive(T.turn(23, "Hello?"))
    assert ("active", False, Reason.NO_CHOICE, None) == state(story)


def test_who_thanked_after_the_answer_waits_for_no_reply_any_more() -> None:
    story = Story(at(1.5)).receive(T.turn(0), T.accepted(1), T.answered(1.1), T.turn(1.5, "Thanks!"))
    story.wait_until(at(1.5 + 10 * MINUTE))
    ref = no_reply_ref(the(story), story.now)
    story.take(
        decide(
            story.history, the(story).id, after_no_reply(the(story), ref), Cause((ref.fact,), "clock"), story.context
        )
    )
    assert Reason.NO_REPLY == the(story).reason
    dismissed(story, 2)
    assert (None, None) == (the(story).waits_since, the(story).reply_by)
    story.receive(T.turn(3, "One more thing"))
    assert (Reason.NO_REPLY, at(3)) == (the(story).reason, the(story).waits_since)


def test_what_is_not_on_the_list_is_not_dismissed() -> None:
    assert Rejection.CONVERSATION_UNKNOWN == dismiss(
        None, Dismiss(conversation_id=UUID(int=1), why="spam"), "maria", command(1)
    )
    assert Rejection.ALREADY_MANAGED == dismissed(wrote(T.turn(0), T.answered(0.5)), 1)
    assert Rejection.ALREADY_MANAGED == dismissed(wrote(T.turn(0), T.answered(0.5)), 30)
    assert Rejection.ALREADY_ASSIGNED == dismissed(wrote(T.turn(0, "1")), 1)
    assert Rejection.ALREADY_ASSIGNED == dismissed(wrote(T.turn(0), T.accepted(0.9)), 1)
    story = wrote()
    assert Rejection.VERSION_CONFLICT == dismissed(story, 1, version=the(story).version + 1)
    assert dismissed(story, 1, version=the(story).version) is None
    assert Rejection.ALREADY_DISMISSED == dismissed(story, 1.1)
    assert Rejection.VERSION_CONFLICT == recalled(story, 1.2, version=the(story).version - 1)


@given(st.data(), st.integers(1, 20), st.sampled_from([0, 3, 23.9, 24.1, 30]))
def test_what_reaches_us_after_a_dismissal_leads_to_the_same_in_any_order(
    data: st.DataObject, hour: int, later: float
) -> None:
    """Messages, agents and colleagues, written before and after it; no choices, which queue the conversation. What was
    known before is not seen again when it is repeated."""
    moment = hour + MINUTE / 2
    hours = st.integers(0, 23 * 60).map(lambda minutes: minutes / 60)
    kinds: list[st.SearchStrategy[ConversationFact]] = [
        st.builds(PLAIN.turn, hours, st.sampled_from(["hello", "thanks"])),
        st.builds(PLAIN.unreadable, hours, st.just("content")),
        st.builds(PLAIN.signal, hours),
        st.builds(PLAIN.echo, hours),
        st.builds(PLAIN.accepted, hours, st.sampled_from(["anna", "ben"])),
        st.builds(PLAIN.answered, hours, st.sampled_from(["anna", "ben"])),
    ]
    first = PLAIN.turn(0, "first")
    facts = list({f.id: f for f in data.draw(st.lists(st.one_of(kinds), max_size=5)) if f.id != first.id}.values())
    seen = st.sampled_from([fact for fact in facts if fact.at <= at(moment)] or [first])
    early = data.draw(st.lists(seen, unique_by=lambda fact: fact.id))
    outcomes = []
    orders: list[tuple[list[ConversationFact], list[ConversationFact]]] = [
        (early, [fact for fact in facts if fact not in early]),
        (data.draw(st.permutations(early)), data.draw(st.permutations([*facts, *facts[:2]]))),
    ]
    for known, late in orders:
        story = Story(at(moment), number=PLAIN.number).receive(first, *known)
        dismissed(story, moment, "spam")
        story.receive(*late).wait_until(at(moment + later))
        c, last = the(story), story.events[-1]
        assert c.dismissed == last.conversation.dismissed
        if any(fact.kind == "customer_turn" for fact in late if fact not in early):
            assert c.dismissed is None
        outcomes.append((*state(story), c.owner, last.name))
        assert 1 == sum((c.managed, c.unmanaged, c.dismissed is not None, c.owner is not None and not c.managed))
    assert [outcomes[0]] * 2 == outcomes
