"""The funnel of a campaign, from its counters: how many rows came how far, and what became of all others (docs/design/
campaigns.md, *Funnel*). Every number has the filter that lists exactly what it counts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from domain.campaigns.answers import AnswerOutcome
from domain.campaigns.document import OutcomeCount, StateCount
from domain.campaigns.recipients import HELD, RECIPIENT_STATES, ROW_PROBLEMS, RecipientState

FunnelCell = Literal[
    "rows",
    "good",
    "unique",
    "planned",
    "accepted",
    "sent",
    "delivered",
    "read",
    "answered",
    "human",
    "resolved",
    "unmanaged",
    "held",
    "bad",
    "duplicate",
    "not_good",
    "skipped",
    "to_come",
]
"""A cell that counts recipients of several states. `good`: rows without a problem; `unique`: the first row of each
person; `planned`: of those, the ones not skipped; `accepted` to `read`: so far or further; `human`: whose answer
reached a human, `unmanaged`: who answered and was left alone. `held`: accepted, but Meta holds the message back; `bad`:
rows with a problem; `not_good`: these and duplicates; `skipped`: for another reason than `duplicate`; `to_come`: they
wait for the plan or their turn."""
FUNNEL_CELLS: tuple[FunnelCell, ...] = get_args(FunnelCell)

STEPS: tuple[FunnelCell, ...] = ("rows", "good", "unique", "planned", "accepted", "sent", "delivered", "read")
"""The steps that recipients take, each with those of the next one."""
ANSWERED: dict[FunnelCell, tuple[AnswerOutcome, ...]] = {
    "answered": ("waiting", "unmanaged", "human", "resolved"),
    "human": ("human", "resolved"),
    "resolved": ("resolved",),
    "unmanaged": ("unmanaged",),
}
"""Cells that count answers -> the outcomes that they count."""

_TO_COME = ("imported", "planned", "deferred", "claimed")
_SUM: tuple[FunnelCell, ...] = ("bad", "duplicate", "skipped", "to_come")
_REACHED: tuple[RecipientState, ...] = ("accepted", "sent", "delivered", "read")
_ENDED: tuple[RecipientState, ...] = ("failed", "unknown", "assumed_sent", "cancelled")


class RecipientFilter(NamedTuple):
    """Which recipients of a campaign: those of a `cell`, or those in one `state`, with one `reason` (empty: none); None
    for all. `wave`, `variant`: only those."""

    cell: FunnelCell | None = None
    state: RecipientState | None = None
    reason: str | None = None
    wave: int | None = None
    variant: int | None = None

    @property
    def outcomes(self) -> tuple[AnswerOutcome, ...] | None:
        """The outcomes of answers that count; None: the filter is not about answers."""
        return ANSWERED.get(self.cell) if self.cell is not None else None

    @property
    def is_narrowed(self) -> bool:
        """Whether not all recipients are meant."""
        return self._replace(cell=None if self.cell == "rows" else self.cell) != RecipientFilter()

    def takes(self, count: StateCount) -> bool:
        """Returns whether recipients with the wave, variant, state and reason of a count are among those."""
        return (
            (self.wave is None or self.wave == count.wave)
            and (self.variant is None or self.variant == count.variant)
            and (self.state is None or self.state == count.state)
            and (self.reason is None or self.reason == count.reason)
            and (self.cell is None or _TAKES[self.cell](count.state, count.reason))
        )


class Counted(NamedTuple):
    """So many recipients, and the filter that lists them."""

    n: int
    which: RecipientFilter

    @property
    def name(self) -> str:
        """The cell, or the state."""
        return self.which.cell or self.which.state or "rows"


@dataclass(frozen=True, slots=True)
class Funnel:
    """The funnel of a campaign, or of one wave or variant of it. `steps`: from the rows to the read messages, each
    including the next one; `held`: of the accepted, what Meta holds back; `answers`: answered, reached a human,
    resolved; `unmanaged`: answered and left alone; `parts`: the rows by what became of them, each row in exactly one of
    them (C5); `reasons`: the same by state and reason, where there is a reason; those without come first."""

    steps: tuple[Counted, ...]
    held: Counted
    answers: tuple[Counted, ...]
    unmanaged: Counted
    parts: tuple[Counted, ...]
    reasons: tuple[Counted, ...]

    def cell(self, name: FunnelCell) -> Counted:
        """Returns the cell with a name."""
        return next(each for each in self.cells() if each.which.cell == name)

    def cells(self) -> tuple[Counted, ...]:
        """Returns all numbers of the funnel."""
        return (*self.steps, self.held, *self.answers, self.unmanaged, *self.parts, *self.reasons)

    @property
    def rows(self) -> int:
        return self.cell("rows").n

    @property
    def answered_share(self) -> float | None:
        """The answered of the delivered, by which templates are compared; None: none is delivered."""
        delivered = self.cell("delivered").n
        return self.cell("answered").n / delivered if delivered else None


def funnel_of(
    counts: Iterable[StateCount],
    answers: Iterable[OutcomeCount],
    *,
    wave: int | None = None,
    variant: int | None = None,
) -> Funnel:
    """Returns the funnel of a campaign, of one wave, or of one variant. O(states and reasons)."""
    counts, answers = list(counts), list(answers)
    among = RecipientFilter(wave=wave, variant=variant)

    def count(which: RecipientFilter) -> Counted:
        outcomes = which.outcomes
        if outcomes is None:
            return Counted(sum(each.n for each in counts if which.takes(each)), which)
        return Counted(sum(a.n for a in answers if a.outcome in outcomes and _is_of(a, which)), which)

    def cell(name: FunnelCell) -> Counted:
        return count(among._replace(cell=name))

    states = [count(among._replace(state=state)) for state in (*_REACHED, *_ENDED)]
    keys = sorted({(each.state, each.reason) for each in counts if among.takes(each) and each.reason})
    reasons = [
        count(among._replace(state=state, reason=reason))
        for name in RECIPIENT_STATES
        for state, reason in _with_none(keys, name)
    ]
    return Funnel(
        steps=tuple(cell(name) for name in STEPS),
        held=cell("held"),
        answers=(cell("answered"), cell("human"), cell("resolved")),
        unmanaged=cell("unmanaged"),
        parts=(*(cell(name) for name in _SUM), *states),
        reasons=tuple(each for each in reasons if each.n),
    )


def waves_of(counts: Sequence[StateCount], answers: Sequence[OutcomeCount]) -> dict[int, Funnel]:
    """Returns wave -> its funnel: of the recipients whose last message belongs to it."""
    return {wave: funnel_of(counts, answers, wave=wave) for wave in sorted({each.wave for each in counts})}


def variants_of(counts: Sequence[StateCount], answers: Sequence[OutcomeCount]) -> dict[int, Funnel]:
    """Returns variant -> its funnel. Rows with a problem have no template; they are of the first variant."""
    return {each: funnel_of(counts, answers, variant=each) for each in sorted({each.variant for each in counts})}


def _with_none(keys: Iterable[tuple[str, str]], state: RecipientState) -> list[tuple[RecipientState, str]]:
    """Returns a state with its reasons, after one for none, if it has any."""
    of = [(state, reason) for each, reason in keys if each == state]
    return [(state, ""), *of] if of else []


def _is_of(count: OutcomeCount, which: RecipientFilter) -> bool:
    return which.wave in (None, count.wave) and which.variant in (None, count.variant)


def _is_bad(state: str, reason: str) -> bool:
    return state == "skipped" and reason in ROW_PROBLEMS


def _is_duplicate(state: str, reason: str) -> bool:
    return state == "skipped" and reason == "duplicate"


def _at_least(first: RecipientState) -> Callable[[str, str], bool]:
    states = frozenset(_REACHED[_REACHED.index(first) :])
    return lambda state, _: state in states


_TAKES: dict[FunnelCell, Callable[[str, str], bool]] = {
    "rows": lambda _state, _reason: True,
    "good": lambda state, reason: not _is_bad(state, reason),
    "unique": lambda state, reason: not _is_bad(state, reason) and not _is_duplicate(state, reason),
    "planned": lambda state, _: state not in ("skipped", "imported"),
    "accepted": _at_least("accepted"),
    "sent": _at_least("sent"),
    "delivered": _at_least("delivered"),
    "read": _at_least("read"),
    "answered": lambda _state, _reason: True,
    "human": lambda _state, _reason: True,
    "resolved": lambda _state, _reason: True,
    "unmanaged": lambda _state, _reason: True,
    "held": lambda state, reason: state == "accepted" and reason == HELD,
    "bad": _is_bad,
    "duplicate": _is_duplicate,
    "not_good": lambda state, reason: _is_bad(state, reason) or _is_duplicate(state, reason),
    "skipped": lambda state, reason: (
        state == "skipped" and not _is_bad(state, reason) and not _is_duplicate(state, reason)
    ),
    "to_come": lambda state, _: state in _TO_COME,
}
"""Cell -> whether it counts recipients with a state and a reason; of answers, their outcome decides."""
