"""The order in which people read the facts of a conversation.

It is the order of fact references, except where that is known to mislead: Meta's times are whole seconds, those of bots
and agent desktops are finer, and a reaction, edit or deletion never comes before the message that it names.
"""

from collections.abc import Iterable
from heapq import merge
from itertools import groupby
from typing import TypeVar

from domain.conversations.conversation import fact_ref
from domain.facts import ConversationFact, CustomerSignal

_Fact = TypeVar("_Fact", bound=ConversationFact)


def in_reading_order(facts: Iterable[_Fact]) -> list[_Fact]:
    """Returns the facts in the order in which people read them."""
    ordered = sorted(facts, key=fact_ref)
    seconds = groupby(ordered, key=lambda fact: fact.at.replace(microsecond=0))
    return _after_what_they_name([fact for _, of_second in seconds for fact in _by_arrival(list(of_second))])


def _by_arrival(facts: list[_Fact]) -> list[_Fact]:
    """Returns the facts of one second. Those with a whole second and those with a finer time keep their own order, and
    are merged by arrival: a bot's question of 12:00:05.2 is read before the answer that Meta dates 12:00:05."""
    whole = [fact for fact in facts if fact.at.microsecond == 0]
    finer = [fact for fact in facts if fact.at.microsecond != 0]
    return list(merge(whole, finer, key=lambda fact: fact.arrival))


def _after_what_they_name(facts: list[_Fact]) -> list[_Fact]:
    wamids = {wamid: place for place, fact in enumerate(facts) if (wamid := getattr(fact, "wamid", None))}
    places = list(range(len(facts)))
    for place, fact in enumerate(facts):
        if isinstance(fact, CustomerSignal) and fact.marks is not None:
            places[place] = max(place, wamids.get(fact.marks, place))
    # the sort is stable, and what is moved to a message's place comes after the message
    moved = sorted(range(len(facts)), key=lambda place: (places[place], places[place] != place))
    return [facts[place] for place in moved]
