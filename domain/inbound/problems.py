"""Errors in events, reported to a sender that can fix them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventProblem:
    """A problem with one field of one event.

    `event`: the position in the body, from 0; None if the body itself is invalid. `event_id`: the event's own id, if
    any. `field`: the field's path, e.g. `data.customer`. `message`: what a valid value would be; never quotes the
    value."""

    event: int | None
    event_id: str | None
    field: str
    message: str


class InvalidEvents(Exception):
    """A signed body violates the contract of interface.md. Nothing of the body is stored. `problems`: the first ones,
    in order; at least one."""

    def __init__(self, problems: Sequence[EventProblem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems = tuple(problems)
