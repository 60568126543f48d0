"""Refusals that a sender can cure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventProblem:
    """What is wrong with one field of one event. `event` counts from 0 in the body and is None when the body itself is
    wrong, `event_id` is the event's own id if it has one, `field` its path, as `data.customer`, and `message` says what
    would be right; it never repeats the value."""

    event: int | None
    event_id: str | None
    field: str
    message: str


class InvalidEvents(Exception):
    """A signed body that breaks the contract of interface.md. Nothing of it is kept; `problems` are the first of them,
    in their order, at least one."""

    def __init__(self, problems: Sequence[EventProblem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems = tuple(problems)
