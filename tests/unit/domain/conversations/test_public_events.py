"""What is published about a conversation: names, causes and actors (domain.md, *Life of a conversation*)."""

import pytest

from domain.conversations.conversation import Owner
from domain.facts import ConversationFact, Party
from tests.support.stories import CUSTOMER, NUMBER, FactMaker, Story, at

T = FactMaker()
BOT = FactMaker("bot")


def causes(story: Story) -> list[tuple[str, str, tuple[object, ...]]]:
    """Name, actor and causes of each public event."""
    return [(event.name, event.actor, event.because) for event in story.events]


def test_an_event_names_the_actor_and_the_facts_that_caused_it() -> None:
    hello, accepted = T.turn(0, "hello"), T.accepted(0.5)
    story = Story(at(1)).receive(hello, accepted).wait_until(at(24))
    assert [
        ("opened", "customer", (hello.id,)),
        ("became_unmanaged", "customer", (hello.id,)),
        ("accepted", "agent:anna", (accepted.id,)),
        ("became_unmanaged", "clock", (accepted.id,)),
        ("closed", "clock", (hello.id,)),
    ] == causes(story)


@pytest.mark.parametrize(
    ("facts", "name", "actor"),
    [
        ([T.turn(0), T.echo(0.5)], "managed", "app"),
        ([T.turn(0), T.agent_closes(0.5)], "closed", "agent:anna"),
        ([T.signal(0, "text", standby_turn=True), T.handover(0.5)], "opened", "meta"),
        ([T.handover(0.5), T.signal(0, "text", standby_turn=True)], "opened", "customer"),
        ([BOT.turn(0), BOT.choice(0.5, "sales")], "queued", "bot"),
        ([BOT.turn(0), BOT.bot_ends(0.5)], "closed", "bot"),
    ],
)
def test_the_actor_is_the_sender_of_the_fact(facts: list[ConversationFact], name: str, actor: str) -> None:
    number = facts[0].phone_number_id
    assert number is not None
    story = Story(at(1), number=number).receive(*facts)
    assert (name, actor, (facts[-1].id,)) in causes(story)


def test_the_clock_closes_a_window_even_if_a_fact_makes_it_visible() -> None:
    hello = T.turn(0)
    story = Story(at(1)).receive(hello)
    story.now = at(25)
    story.receive(T.signal(23))
    assert ("closed", "clock", (hello.id,)) == causes(story)[-1]


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Owner("skillset", "sales", "queued"), "queued"),
        (Owner("skillset", "sales", "reserved", at(9)), "reserved"),
        (Owner("user", "anna", "assigned", at(9)), "assigned"),
    ],
)
def test_an_owner_and_its_recall_are_published(owner: Owner, name: str) -> None:
    story = Story(at(1)).receive(T.turn(0))
    given = story.decides(0.5, owner, "transferred")
    taken = story.decides(0.6, None, "recalled")
    assert [
        (name, "boss", (given.fact,)),
        ("released", "boss", (taken.fact,)),
        ("became_unmanaged", "boss", (T.turn(0).id,)),
    ] == causes(story)[2:]


def test_a_conversation_that_closes_is_not_released() -> None:
    story = Story(at(1)).receive(T.turn(0, "1")).wait_until(at(24))
    assert ["opened", "queued", "became_unmanaged", "closed"] == story.published


def test_a_late_message_that_cuts_a_conversation_short_is_published_with_the_last_fact_that_moved() -> None:
    """The human's answer belongs to the conversation that begins at the cut."""
    facts: list[ConversationFact] = [
        BOT.turn(0),
        BOT.bot_starts(0.01),
        BOT.bot_ends(0.1),
        BOT.echo(0.5),
        BOT.turn(0.3, "again"),
    ]
    story = Story(at(1), number="bot").receive(*facts)
    assert ("managed", "app", (BOT.echo(0.5).id,)) in causes(story)


def test_a_conversation_names_its_customer_and_its_number() -> None:
    story = Story(at(1)).receive(T.turn(0))
    (conversation,) = story.history.conversations
    assert (NUMBER, CUSTOMER.wa_id, None) == (conversation.phone_number_id, conversation.wa_id, conversation.user_id)
    assert story.history.customer_id == conversation.customer_id
    assert 1 == conversation.entries


@pytest.mark.parametrize("late", [False, True])
def test_the_phone_and_the_user_id_are_those_of_the_last_message_that_had_them(late: bool) -> None:
    """`late`: the earlier message arrives after the later one."""
    earlier = FactMaker(customer=Party(wa_id="391", user_id="IT.1")).turn(0, "one")
    later = FactMaker(customer=Party(wa_id="392")).turn(1, "two")
    facts = [later, earlier] if late else [earlier, later]
    story = Story(at(2)).receive(*facts, T.signal(1.5), T.bot(1.6))
    (conversation,) = story.history.conversations
    assert ("392", "IT.1") == (conversation.wa_id, conversation.user_id)


def test_a_conversation_of_a_group_names_no_member() -> None:
    group = FactMaker(customer=Party(wa_id="391", group_id="G")).turn(0)
    (conversation,) = Story(at(1)).receive(group).history.conversations
    assert (None, None) == (conversation.wa_id, conversation.user_id)


def test_each_conversation_is_linked_to_the_one_before_it() -> None:
    story = Story(at(80)).receive(T.turn(0), T.turn(60), T.turn(30))
    first, second, third = story.history.conversations
    assert (None, first.id, first.id) == (first.previous, second.previous, third.previous)
    assert [at(0), at(30), at(60)] == [c.opened_at for c in story.history.conversations]
    assert second.id == Story(at(80)).receive(T.turn(0), T.turn(30), T.turn(60)).history.conversations[2].previous
