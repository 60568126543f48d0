"""The cells to which a conversation contributes. A cell is a row of a table of numbers; all of them are sums over
conversations, so a changed contribution is added as the difference."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from domain.statistics.buckets import bucket_of
from domain.statistics.contribution import Contribution

CellTable = Literal["hours", "times", "steps", "agents", "rules"]


class StatCell(NamedTuple):
    """A row of a table: its key, in the order of the table's key (`infra.postgres.statistics.cells`)."""

    table: CellTable
    key: tuple[Any, ...]


Amounts = tuple[int, ...]
"""Of `hours`: opened, touched, unmanaged, rescued, lost, open, dismissed. Of `times`: n. Of `steps`: shown, left here.
Of `agents`: offered, accepted, declined, lapsed. Of `rules`: acted on, rescued."""


def cells(of: Contribution) -> Iterator[tuple[StatCell, Amounts]]:
    """Yields what a conversation adds to which cells. It adds one *opened* to exactly one cell of `hours`."""
    day, number, outcome = of.day, of.phone_number_id, of.outcome
    alone = outcome != "never_listed"
    yield (
        StatCell("hours", (day, of.hour, number, of.reason)),
        (1, of.touched, alone, outcome == "rescued", outcome == "lost", outcome == "open", outcome == "dismissed"),
    )
    for kind, seconds in (("assignment", of.assigned_s), ("first_word", of.word_s), ("listed", of.listed_s)):
        if seconds is not None:
            yield StatCell("times", (day, number, of.skillset, kind, bucket_of(seconds))), (1,)
    for step in of.steps:
        yield StatCell("steps", (day, number, step)), (1, step == of.left_step)
    for offer in of.offers:
        results = (offer.result == result for result in ("accepted", "declined", "lapsed"))
        yield StatCell("agents", (offer.day, number, offer.agent)), (1, *results)
    for rule in of.rules:
        yield StatCell("rules", (day, number, rule)), (1, of.saved_by == f"rule:{rule}")


def total(contributions: Iterable[Contribution]) -> dict[StatCell, Amounts]:
    """Returns the cells of all contributions together."""
    return difference((None, each) for each in contributions)


def difference(changes: Iterable[tuple[Contribution | None, Contribution | None]]) -> dict[StatCell, Amounts]:
    """Returns what changes in which cells when contributions (before, after) are replaced; cells in which nothing
    changes are left out."""
    changed: dict[StatCell, list[int]] = {}
    for before, after in changes:
        for contributed, sign in ((before, -1), (after, 1)):
            for cell, amounts in cells(contributed) if contributed is not None else ():
                sums = changed.setdefault(cell, [0] * len(amounts))
                for place, amount in enumerate(amounts):
                    sums[place] += sign * amount
    return {cell: tuple(sums) for cell, sums in changed.items() if any(sums)}


def added(some: Mapping[StatCell, Amounts], more: Mapping[StatCell, Amounts]) -> dict[StatCell, Amounts]:
    """Returns the sums of two sets of cells, without those of which nothing is left."""
    sums = dict(some)
    for cell, amounts in more.items():
        known = sums.get(cell, (0,) * len(amounts))
        sums[cell] = tuple(a + b for a, b in zip(known, amounts, strict=True))
    return {cell: amounts for cell, amounts in sums.items() if any(amounts)}
