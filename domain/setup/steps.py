"""The steps of setting an installation up: what each is about, how it stands, and what to do next. Texts are the
message ids of the console's catalogues; the command line shows them as they are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

StepState = Literal["done", "waiting", "off", "trouble"]
"""`waiting`: something is still to be done; `off`: an optional part that this installation does not use; `trouble`:
something is wrong."""
StepGroup = Literal["installation", "receiving", "more"]
StepPlace = Literal["", "numbers", "directory", "people"]
"""The page on which something can be done about a step."""


class SetupText(NamedTuple):
    """A sentence that is translated before its values are filled in."""

    text: str
    values: Mapping[str, object] = {}

    def said(
        self, translate: Callable[[str], str] = str, shown: Callable[[object], object] = lambda value: value
    ) -> str:
        """Returns it in a language. `shown`: how a value is written."""
        text = translate(self.text)
        return text % {key: shown(value) for key, value in self.values.items()} if self.values else text


@dataclass(frozen=True, slots=True)
class StepItem:
    """One of the things that a step is about, e.g. a number. `subject`: its name; `at`: when it was seen; `add`: the
    number that can be added to the directory."""

    state: StepState
    subject: str
    seen: SetupText
    at: datetime | None = None
    next: SetupText | None = None
    add: str = ""


@dataclass(frozen=True, slots=True)
class SetupStep:
    """A step. `seen`: what was seen; `at`: when; `next`: what to do."""

    id: str
    group: StepGroup
    title: str
    state: StepState
    seen: SetupText
    at: datetime | None = None
    next: SetupText | None = None
    place: StepPlace = ""
    items: Sequence[StepItem] = field(default_factory=tuple)


def worst(items: Sequence[StepItem]) -> StepState:
    """Returns the state of a step that is about several things; `off` if there are none."""
    states = {item.state for item in items}
    order: tuple[StepState, ...] = ("trouble", "waiting", "done", "off")
    return next((state for state in order if state in states), "off")
