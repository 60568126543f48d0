"""What another directory would have made of a conversation: by the rules of the classifier, until somebody decided."""

from dataclasses import replace
from datetime import time

import pytest

from domain.arrival import arrival
from domain.conversations.conversation import Owner
from domain.conversations.reasons import Reason
from domain.directory import Directory, Number, Opening, Skillset
from domain.facts import ConversationFact
from domain.ids import CustomerId, fact_id
from domain.statistics.reclassify import (
    AsItWas,
    LeftTo,
    PublishedState,
    as_it_was,
    as_it_would_be,
    numbers_judged_differently,
)
from tests.support.stories import DIRECTORY, NUMBER, FactMaker, Story, at

T = FactMaker()
BOT = FactMaker("bot")
SALES = LeftTo(skillset="sales")


def shop(**changed: object) -> Directory:
    """The directory with another shop."""
    return with_number(replace(DIRECTORY.numbers[NUMBER], **changed))  # type: ignore[arg-type]


def with_number(number: Number) -> Directory:
    return replace(DIRECTORY, numbers={**DIRECTORY.numbers, number.phone_number_id: number})


def published(story: Story) -> AsItWas:
    return as_it_was(
        PublishedState(
            event.at,
            event.name,
            event.conversation.reason,
            event.actor,
            event.conversation.owner.id if event.conversation.owner else None,
        )
        for event in story.events
    )


def tried(directory: Directory, *facts: ConversationFact, until: float | None = None, number: str = NUMBER) -> LeftTo:
    customer = CustomerId(fact_id("customer"))
    return as_it_would_be(customer, number, facts, None if until is None else at(until), directory)


STORIES: dict[str, tuple[ConversationFact, ...]] = {
    "nothing chosen": (T.turn(0, "hello"), T.turn(1, "anybody?")),
    "wrong choice": (T.turn(0, "hello"), T.turn(1, "7")),
    "queued": (T.turn(0, "hello"), T.turn(1, "1")),
    "an edit makes a choice": (T.turn(0, "hello"), T.edits(1, T.turn(0, "hello"), "2")),
    "answered": (T.turn(0, "hello"), T.echo(1), T.turn(2, "1")),
    "chosen late": (T.turn(0, "1"), T.turn(0.5, "2")),
}


@pytest.mark.parametrize("name", STORIES)
def test_the_same_directory_makes_the_same_of_every_conversation(name: str) -> None:
    story = Story(at(3)).receive(*STORIES[name])
    was = published(story)
    assert was.left_to == tried(DIRECTORY, *STORIES[name], until=None if was.until is None else 3)


def test_another_word_on_the_menu_would_have_queued_who_wrote_it() -> None:
    facts = (T.turn(0, "hello"), T.turn(0.1, "an offer"))
    assert LeftTo(Reason.NO_CHOICE) == tried(DIRECTORY, *facts)
    assert SALES == tried(shop(synonyms={"1": ("an offer",)}), *facts)


def test_longer_hours_would_have_found_the_number_open() -> None:
    day = {"mon": (Opening(time(8), time(9)),)}
    assert LeftTo(Reason.OUT_OF_HOURS) == tried(shop(hours=day), T.turn(0, "hello"))
    assert LeftTo(Reason.NO_CHOICE) == tried(shop(hours={"mon": (Opening(time(8), time(18)),)}), T.turn(0, "hello"))


def test_without_its_bot_a_number_reads_the_menu_itself() -> None:
    facts = (BOT.turn(0, "1"), BOT.bot_starts(0.01), BOT.bot_ends(0.1))
    assert LeftTo(Reason.BOT_CLOSED) == tried(DIRECTORY, *facts, number="bot")
    own = with_number(Number("bot", menu={"1": "sales"}))
    assert SALES == tried(own, *facts, number="bot")


def test_a_choice_after_somebody_decided_is_not_asked_again() -> None:
    """A person answered at hour 1: what the customer chose later led to nothing, and would not have."""
    facts = (T.turn(0, "hello"), T.turn(2, "an offer"))
    assert LeftTo(Reason.NO_CHOICE) == tried(shop(synonyms={"1": ("an offer",)}), *facts, until=1)
    answered = (T.turn(0, "hello"), T.echo(1), T.turn(2, "an offer"))
    assert LeftTo(Reason.NO_CHOICE) == tried(shop(synonyms={"1": ("an offer",)}), *answered)


def test_facts_count_in_the_order_in_which_they_arrived() -> None:
    late = T.turn(0.5, "an offer").model_copy(update={"arrival": arrival(at(5))})
    wanted = shop(synonyms={"1": ("an offer",)})
    assert LeftTo(Reason.NO_CHOICE) == tried(wanted, late, T.turn(0, "hello"), until=4)
    assert SALES == tried(wanted, late, T.turn(0, "hello"), until=6)


def test_what_people_decided_is_where_a_conversation_stops() -> None:
    story = Story(at(1)).receive(T.turn(0, "hello"))
    story.decides(1, Owner("user", "anna", "accepted"), "transferred")
    assert AsItWas(LeftTo(Reason.NO_CHOICE), at(1)) == published(story)


def test_who_was_queued_and_never_taken_counts_as_queued() -> None:
    story = Story(at(1)).receive(T.turn(0, "1")).wait_until(at(30))
    assert AsItWas(SALES, None) == published(story)


def test_only_numbers_with_another_menu_or_hours_are_judged_differently() -> None:
    assert [] == numbers_judged_differently(DIRECTORY, shop(name="Another name", time_zone="Europe/Rome"))
    assert [NUMBER] == numbers_judged_differently(DIRECTORY, shop(synonyms={"1": ("offer",)}))
    assert [NUMBER] == numbers_judged_differently(DIRECTORY, shop(hours={}))
    more = replace(DIRECTORY, skillsets={**DIRECTORY.skillsets, "rent": Skillset("rent", "Rent")})
    assert sorted(DIRECTORY.numbers) == numbers_judged_differently(DIRECTORY, more)
