"""A conversation moment by moment: what was known, and what was published because of it."""

from datetime import timedelta

from domain.arrival import arrival
from domain.conversations.events import HistoryEntry
from domain.conversations.reasons import Reason
from domain.facts import ConversationFact
from domain.statistics.moments import known_at, known_since, moments
from tests.support.stories import FactMaker, at

TELLER = FactMaker()
LATE_ECHO = TELLER.echo(1).model_copy(update={"arrival": arrival(at(5))})
FACTS: list[ConversationFact] = [
    TELLER.turn(0, "hello").model_copy(update={"arrival": arrival(at(0))}),
    LATE_ECHO,
    TELLER.turn(2, "anybody?").model_copy(update={"arrival": arrival(at(2))}),
]
HISTORY = [
    HistoryEntry(1, at(0), "became_unmanaged", Reason.NO_CHOICE, (FACTS[0].id,), "customer"),
    HistoryEntry(2, at(3), "mail.sent", Reason.NO_CHOICE, (), "boss"),
    HistoryEntry(3, at(5), "managed", None, (LATE_ECHO.id,), "app"),
]


def test_every_arrival_and_every_event_is_a_moment() -> None:
    assert [at(0), at(2), at(3), at(5)] == moments(FACTS, HISTORY)


def test_a_fact_that_arrived_late_is_not_known_before_although_it_had_happened() -> None:
    before = known_at(FACTS, HISTORY, at(2))
    assert ([FACTS[0].id, FACTS[2].id], 1) == ([*before.facts], before.not_yet_known)
    assert before.state is not None
    assert (Reason.NO_CHOICE, frozenset({FACTS[2].id})) == (before.state.reason, before.new)
    after = known_at(FACTS, HISTORY, at(5))
    assert after.state is not None
    assert (None, [fact.id for fact in FACTS], 0) == (after.state.reason, [*after.facts], after.not_yet_known)
    assert ["managed"] == [entry.event for entry in after.events]


def test_a_mail_is_a_moment_and_no_state() -> None:
    known = known_at(FACTS, HISTORY, at(3))
    assert known.state is not None
    assert ("became_unmanaged", ["mail.sent"]) == (known.state.event, [entry.event for entry in known.events])


def test_facts_of_one_second_become_known_together() -> None:
    soon = [
        fact.model_copy(update={"arrival": arrival(at(0) + timedelta(milliseconds=n))})
        for n, fact in enumerate(FACTS, 1)
    ]
    (moment,) = moments(soon, [])
    assert at(0) + timedelta(seconds=1) == moment
    assert 3 == len(known_at(soon, [], moment).new)


def test_a_fact_without_an_arrival_was_known_when_it_happened() -> None:
    assert at(7) == known_since(TELLER.turn(7))
