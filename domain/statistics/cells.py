"""The cells to which a conversation contributes. A cell is a row of a table of numbers; all of them are sums over
conversations, so a changed contribution is added as the difference."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Literal, NamedTuple

from domain.statistics.buckets import bucket_of
from domain.statistics.contribution import RULE, Contribution, StatOutcome
from domain.statistics.offers import OfferResult

CellTable = Literal["hours", "times", "steps", "step_weeks", "agents", "rules"]
ALL_NUMBERS = ""
"""In place of a number: the sums of all of them."""


class StatCell(NamedTuple):
    """A row of a table: its key, in the order of the table's key (`infra.postgres.statistics.cells`)."""

    table: CellTable
    key: tuple[Any, ...]


Amounts = Mapping[int, int]
"""Place of a sum in the table's row -> amount. Of `hours`: opened, touched, unmanaged, rescued, lost, open, dismissed,
then those left alone and those lost in each of 24 hours. Of `times`: the buckets. Of `steps`: shown, left here. Of
`agents`: offered, accepted, declined, lapsed. Of `rules`: acted on, rescued."""

_LEFT_ALONE_AT, _LOST_AT = 7, 31
"""Where the hours begin."""
_PLACES: Mapping[StatOutcome, int] = {"rescued": 3, "lost": 4, "open": 5, "dismissed": 6}
_RESULTS: Mapping[OfferResult, int] = {"accepted": 1, "declined": 2, "lapsed": 3}


def cells(of: Contribution) -> Iterator[tuple[StatCell, Amounts]]:
    """Yields what a conversation adds to which cells. It adds one *opened* to exactly one cell of `hours`."""
    day, number, outcome = of.day, of.phone_number_id, of.outcome
    hours = {0: 1}
    if of.touched:
        hours[1] = 1
    if outcome != "never_listed":
        hours |= {2: 1, _PLACES[outcome]: 1, _LEFT_ALONE_AT + of.hour: 1}
        if outcome == "lost":
            hours[_LOST_AT + of.hour] = 1
    yield StatCell("hours", (day, number, of.reason)), hours
    for kind, seconds in (("assignment", of.assigned_s), ("first_word", of.word_s), ("listed", of.listed_s)):
        if seconds is not None:
            yield StatCell("times", (day, number, kind)), {bucket_of(seconds): 1}
    for step in of.steps:
        yield StatCell("steps", (day, number, step)), {0: 1, 1: 1} if step == of.left_step else {0: 1}
    for offer in of.offers:
        place = _RESULTS.get(offer.result)
        yield StatCell("agents", (offer.day, number, offer.agent)), {0: 1} if place is None else {0: 1, place: 1}
    for rule in of.rules:
        saved = of.saved_by == f"{RULE}{rule}"
        yield StatCell("rules", (day, number, rule)), {0: 1, 1: 1} if saved else {0: 1}


def total(contributions: Iterable[Contribution]) -> dict[StatCell, Amounts]:
    """Returns the cells of all contributions together."""
    return difference((None, each) for each in contributions)


def difference(changes: Iterable[tuple[Contribution | None, Contribution | None]]) -> dict[StatCell, Amounts]:
    """Returns what changes in which cells when contributions (before, after) are replaced; cells in which nothing
    changes are left out."""
    changed: dict[StatCell, dict[int, int]] = {}
    for before, after in changes:
        for contributed, sign in ((before, -1), (after, 1)):
            for cell, amounts in cells(contributed) if contributed is not None else ():
                sums = changed.setdefault(cell, {})
                for place, amount in amounts.items():
                    sums[place] = sums.get(place, 0) + sign * amount
    return _without_zeros(changed)


def with_rollups(changes: Mapping[StatCell, Amounts]) -> dict[StatCell, Amounts]:
    """Returns cells with the sums that a page of long periods reads in their place: over all numbers, and of the steps
    of each number over a week, by its Monday."""
    rolled = dict(changes)
    for cell, amounts in changes.items():
        day, number, what = cell.key
        if cell.table == "steps":
            above = StatCell("step_weeks", (day - timedelta(days=day.weekday()), number, what))
        else:
            above = StatCell(cell.table, (day, ALL_NUMBERS, what))
        rolled[above] = {
            n: rolled.get(above, {}).get(n, 0) + amounts.get(n, 0) for n in {*rolled.get(above, ()), *amounts}
        }
    return _without_zeros(rolled)


def added(some: Mapping[StatCell, Amounts], more: Mapping[StatCell, Amounts]) -> dict[StatCell, Amounts]:
    """Returns the sums of two sets of cells, without those of which nothing is left."""
    sums = {cell: dict(amounts) for cell, amounts in some.items()}
    for cell, amounts in more.items():
        known = sums.setdefault(cell, {})
        for place, amount in amounts.items():
            known[place] = known.get(place, 0) + amount
    return _without_zeros(sums)


def _without_zeros(cells_: Mapping[StatCell, Amounts]) -> dict[StatCell, Amounts]:
    found = {cell: {place: n for place, n in amounts.items() if n} for cell, amounts in cells_.items()}
    return {cell: amounts for cell, amounts in found.items() if amounts}
