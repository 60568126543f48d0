"""What one conversation contributes to the numbers, from all that its public events say (docs/design/analytics.md,
Definitions)."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Literal, NamedTuple, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.statistics.listings import DISMISSED, Listing, is_listed, listings
from domain.statistics.observed import Observed
from domain.statistics.offers import OfferResult, offers
from domain.statistics.steps import NOT_UNDERSTOOD, Steps

StatOutcome = Literal["never_listed", "open", "rescued", "lost", "dismissed"]
"""What became of a conversation. `never_listed`: the customer was not left alone; `open`: not decided yet."""
OUTCOMES: tuple[StatOutcome, ...] = get_args(StatOutcome)

RULE = "rule:"
"""How the actor of an event begins that a rescue rule caused."""

_BY_THE_MENU = ("no_choice", "invalid_choice", "bot_closed")
"""Reasons that mean that the customer got lost in the menu."""

_zone = cache(ZoneInfo)


class CountedOffer(NamedTuple):
    """One offer to an agent, on the day of the number's place."""

    sequence: int
    agent: str
    at: datetime
    day: date
    result: OfferResult


class Contribution(NamedTuple):
    """What one conversation contributes. `day` and `hour`: when the customer wrote first, at the number's place.
    `reason`: why they were left alone, empty: they were not. `touched`: a human wrote to them. `skillset`: the first
    one that had it, or empty. `assigned_s`, `word_s`: seconds from the customer's first message to the first assignment
    to an agent, and to the first human word; `listed_s`: seconds on the list; None: it has not come to that. `steps`,
    `left_step`: those of the menu that were shown, and at which the customer was left. `rules`: those that acted;
    `saved_by`: the actor by whom it left the list, if it was rescued."""

    conversation_id: UUID
    phone_number_id: str
    sequence: int
    opened_at: datetime
    day: date
    hour: int
    outcome: StatOutcome
    reason: str
    touched: bool
    skillset: str
    assigned_s: int | None
    word_s: int | None
    listed_s: int | None
    steps: tuple[str, ...]
    left_step: str | None
    rules: tuple[str, ...]
    saved_by: str | None
    offers: tuple[CountedOffer, ...]


def is_over(seen: Observed) -> bool:
    """Returns whether the conversation is closed; only then its steps are counted."""
    return bool(seen.events) and seen.events[-1].name == "closed"


def contribution(seen: Observed, time_zone: str, steps: Steps) -> Contribution:
    """Returns what a conversation contributes. `time_zone`: of its number; `steps`: none before it is over."""
    zone, opened_at = _zone(time_zone), seen.head.opened_at
    local = opened_at.astimezone(zone)
    counted = [each for each in listings(seen) if each.counts]
    outcome = _outcome(seen, counted)
    reason = counted[-1].reason if counted else ""
    word_at = _first_word(seen)
    shown = steps.shown | {NOT_UNDERSTOOD} if is_over(seen) and _chose_wrongly(seen, steps) else steps.shown
    return Contribution(
        seen.conversation_id,
        seen.phone_number_id,
        seen.head.sequence,
        opened_at,
        local.date(),
        local.hour,
        outcome,
        reason,
        word_at is not None,
        next((e.owner.id for e in seen.events if e.owner is not None and e.owner.kind == "skillset"), ""),
        _seconds(opened_at, next((e.at for e in seen.events if e.name in ("assigned", "accepted")), None)),
        _seconds(opened_at, word_at),
        _listed_seconds(counted),
        tuple(sorted(shown)),
        _left_step(steps, reason) if is_over(seen) else None,
        tuple(sorted({e.actor.removeprefix(RULE) for e in seen.events if e.actor.startswith(RULE)})),
        counted[-1].ended_by.actor if outcome == "rescued" and counted[-1].ended_by is not None else None,
        tuple(CountedOffer(o.sequence, o.agent, o.at, o.at.astimezone(zone).date(), o.result) for o in offers(seen)),
    )


def _outcome(seen: Observed, counted: Sequence[Listing]) -> StatOutcome:
    if not counted:
        return "never_listed"
    last = seen.events[-1]
    if is_listed(last):
        return "lost" if last.name == "closed" else "open"
    after = [event.name for event in seen.events if event.at >= counted[-1].since and not is_listed(event)]
    if DISMISSED in after and "managed" not in after:
        return "dismissed"
    return "rescued" if last.name == "closed" or "managed" in after else "open"


def _first_word(seen: Observed) -> datetime | None:
    """Returns the first human word to the customer. Events of earlier versions do not tell it: then it is when the
    conversation first was managed."""
    if seen.head.first_word_at is not None:
        return seen.head.first_word_at
    return next((event.at for event in seen.events if event.name == "managed"), None)


def _seconds(since: datetime, at: datetime | None) -> int | None:
    return None if at is None else max(0, int((at - since).total_seconds()))


def _listed_seconds(counted: Sequence[Listing]) -> int | None:
    ended = [each.seconds for each in counted if each.seconds is not None]
    return sum(ended) if ended and len(ended) == len(counted) else None


def _chose_wrongly(seen: Observed, steps: Steps) -> bool:
    """Returns whether the customer made a choice that nobody understood: a bot that went on did understand it, also
    where the option leads to no skillset."""
    return any(event.reason == "invalid_choice" for event in seen.events) and not steps.last


def _left_step(steps: Steps, reason: str) -> str | None:
    if reason not in _BY_THE_MENU:
        return None
    return NOT_UNDERSTOOD if reason == "invalid_choice" and not steps.last else steps.last
