"""What another directory would have made of a conversation: another menu, other synonyms, hours or skillsets, with a
Softbot or without. Pure, by the same rules as the classifier, and in the order in which facts arrived.

What people, rescue rules and routing did is neither asked again nor imagined: a conversation is replayed until the
first of that, and it tells where it stood then. Rescue rules have a dry run of their own (`domain.rescue.replay`)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from domain.conversations.fold import fold, settle
from domain.conversations.history import CustomerHistory, FoldContext, FoldResult
from domain.conversations.reasons import Reason
from domain.directory import Directory, Number
from domain.facts import AgentAccepted, AgentClosed, AgentDeclined, AgentMessage, ConversationFact, HumanEcho
from domain.ids import ConversationId, CustomerId, FactId
from domain.statistics.moments import known_since

_BY_PEOPLE = (AgentAccepted, AgentClosed, AgentDeclined, AgentMessage, HumanEcho)
_DECIDED = ("reserved", "assigned", "accepted", "managed", "released", "dismissed")
_NOT_PEOPLE = ("customer", "bot", "meta", "clock")
"""Actors of events that follow from facts and the time alone."""


class LeftTo(NamedTuple):
    """Where menu, bot and hours left a customer: queued for a `skillset`, or on the list for a `reason`. Neither:
    somebody decided before."""

    reason: Reason | None = None
    skillset: str | None = None


class PublishedState(NamedTuple):
    """A public event of a conversation, without those about mails. `skillset`: that had it right after the event."""

    at: datetime
    event: str
    reason: Reason | None
    actor: str
    skillset: str | None


class AsItWas(NamedTuple):
    """Where a conversation stood before anybody decided about it. `until`: when somebody did; None: nobody has."""

    left_to: LeftTo
    until: datetime | None


def as_it_was(events: Iterable[PublishedState]) -> AsItWas:
    """Returns where a conversation stood, from its events in order. One that was queued counts as queued, also if
    nobody took it until it ended."""
    left_to = LeftTo()
    for each in events:
        if each.event in _DECIDED or each.actor not in _NOT_PEOPLE:
            return AsItWas(left_to, each.at)
        if each.event == "queued":
            left_to = LeftTo(skillset=each.skillset)
        elif left_to.skillset is None and each.reason is not None:
            left_to = LeftTo(each.reason)
    return AsItWas(left_to, None)


def as_it_would_be(
    customer: CustomerId,
    phone_number_id: str,
    facts: Sequence[ConversationFact],
    until: datetime | None,
    directory: Directory,
) -> LeftTo:
    """Returns where another directory would have left a conversation with these facts. `until`: as in `AsItWas`. Where
    it makes several conversations of the facts, the last one tells."""
    history = CustomerHistory(customer, phone_number_id)
    placed: dict[FactId, tuple[ConversationFact, ConversationId | None]] = {}
    for fact in sorted(facts, key=_order):
        at = known_since(fact)
        if isinstance(fact, _BY_PEOPLE) or (until is not None and at > until):
            break
        context = FoldContext(directory, at)
        result = fold(history, fact, context)
        _note(result, placed)
        for moved in dict.fromkeys((*result.cut, *result.rechosen)):
            of = [each for each, conversation in placed.values() if conversation == moved]
            if of:
                result = settle(result.history, moved, of, context)
                _note(result, placed)
        history = result.history
    if not history.conversations:
        return LeftTo()
    last = history.conversations[-1]
    owner = last.owner
    return LeftTo(skillset=owner.id) if owner is not None else LeftTo(last.reason)


def numbers_judged_differently(before: Directory, after: Directory) -> list[str]:
    """Returns the numbers of whose conversations another directory may make something else."""
    numbers = sorted({*before.numbers, *after.numbers})
    if before.skillsets.keys() != after.skillsets.keys():
        return numbers
    return [each for each in numbers if _judging(before.number(each)) != _judging(after.number(each))]


def _judging(number: Number) -> tuple[object, ...]:
    return number.choices, number.softbot, number.hours, number.hours and number.time_zone


def _order(fact: ConversationFact) -> tuple[datetime, int, FactId]:
    return known_since(fact), fact.arrival, fact.id


def _note(result: FoldResult, placed: dict[FactId, tuple[ConversationFact, ConversationId | None]]) -> None:
    placed.update((each.fact.id, (each.fact, each.conversation)) for each in result.placements)
