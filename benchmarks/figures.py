"""What a measurement found, in the words of the page that shows it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of a table: what was measured, the value, and what it means in one sentence. `target` may be empty; then
    `holds`, whether it is met, is None."""

    what: str
    value: str
    meaning: str
    target: str = ""
    holds: bool | None = None

    def __str__(self) -> str:
        verdict = {True: "met", False: "MISSED", None: ""}[self.holds]
        aim = f" ({self.target}: {verdict})" if self.target else ""
        return f"{self.what}: {self.value}{aim}; {self.meaning}"


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The value that so many percent of the others do not exceed."""
    return ascending[min(len(ascending) - 1, int(len(ascending) * percent / 100))]
