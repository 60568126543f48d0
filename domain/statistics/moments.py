"""A conversation as it was known at a moment: which facts had arrived, and what was published because of them. Pure,
from its facts and its history."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from domain.arrival import received_at
from domain.conversations.conversation import fact_ref
from domain.conversations.events import HistoryEntry
from domain.facts import ConversationFact
from domain.ids import FactId

LATE = timedelta(minutes=1)
"""A fact that arrived later than this after it happened is shown as late."""


class KnownAt(NamedTuple):
    """What was known at a moment. `state`: the last public event by then, without those about mails; None: there was
    none. `facts`: those that had arrived, in their order; `new`: those that arrived since the moment before;
    `not_yet_known`: how many had happened and arrived only later."""

    at: datetime
    state: HistoryEntry | None
    events: tuple[HistoryEntry, ...]
    facts: tuple[FactId, ...]
    new: frozenset[FactId]
    not_yet_known: int


def known_since(fact: ConversationFact) -> datetime:
    """Returns when a fact became known: when its webhook was received; for facts of earlier versions when it
    happened."""
    return received_at(fact.arrival) if fact.arrival else fact.at.astimezone(UTC)


def moments(facts: Iterable[ConversationFact], history: Iterable[HistoryEntry]) -> list[datetime]:
    """Returns the moments, to the second, at which something became known or was published, in order."""
    times = {*map(known_since, facts), *(entry.at for entry in history)}
    return sorted({_whole(at) for at in times})


def known_at(facts: Sequence[ConversationFact], history: Sequence[HistoryEntry], at: datetime) -> KnownAt:
    """Returns what was known at one of the `moments`."""
    ordered = sorted(facts, key=fact_ref)
    known = [fact for fact in ordered if _whole(known_since(fact)) <= at]
    by_then = [entry for entry in history if _whole(entry.at) <= at and not entry.event.startswith("mail.")]
    return KnownAt(
        at,
        by_then[-1] if by_then else None,
        tuple(entry for entry in history if _whole(entry.at) == at),
        tuple(fact.id for fact in known),
        frozenset(fact.id for fact in known if _whole(known_since(fact)) == at),
        sum(fact.at <= at < _whole(known_since(fact)) for fact in ordered),
    )


def _whole(at: datetime) -> datetime:
    """The next whole second: what becomes known within a second counts at its end."""
    whole = at.replace(microsecond=0)
    return whole if whole == at else whole + timedelta(seconds=1)
