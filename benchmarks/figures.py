"""Results of measurements, as docs/performance.md shows them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A row of a table: what was measured, its value, and its meaning in one sentence.

    `holds` says whether the target is met. It is None if `target` is empty.
    """

    what: str
    value: str
    meaning: str
    target: str = ""
    holds: bool | None = None

    def __str__(self) -> str:
        outcome = {True: "met", False: "MISSED", None: ""}[self.holds]
        aim = f" ({self.target}: {outcome})" if self.target else ""
        return f"{self.what}: {self.value}{aim}; {self.meaning}"


def percentile(ascending: Sequence[float], percent: float) -> float:
    """Returns the value that this percentage of the values does not exceed."""
    return ascending[min(len(ascending) - 1, int(len(ascending) * percent / 100))]
