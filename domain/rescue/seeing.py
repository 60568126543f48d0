"""What rules ask of a conversation, beside what every row of the list has: it is read only if some rule asks for it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from domain.conversations.reasons import Reason
from domain.rescue.judging import LeftAlone
from domain.rules.rule import Rule
from domain.search import phrase

TellLanguage = Callable[[Sequence[str], frozenset[str]], str | None]
"""Returns the language in which texts are written, which may be one of those that are expected; None: not known."""


class Questions(NamedTuple):
    """What some rule asks for: words or the language (one of these) of what the customer wrote, or who had the customer
    before."""

    words: bool = False
    languages: frozenset[str] = frozenset()
    had: bool = False

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> "Questions":
        """Returns what those of the rules ask for that are on."""
        on = [rule for rule in rules if rule.on]
        return cls(
            any(rule.when.words for rule in on),
            frozenset(language for rule in on for language in rule.when.languages),
            any(rule.when.had or (rule.transfer is not None and rule.transfer.previous) for rule in on),
        )

    @property
    def texts(self) -> bool:
        """Whether what the customer wrote is read."""
        return self.words or bool(self.languages)


class OnList(NamedTuple):
    """A conversation while it is on the list."""

    phone_number_id: str
    reason: Reason
    since: datetime
    window_ends_at: datetime
    returning: bool


def left_alone(
    listed: OnList, texts: Sequence[str], had: str | None, questions: Questions, tell_language: TellLanguage
) -> LeftAlone:
    """Returns what rules see. `texts`: what the customer wrote or chose; `had`: the skillset that had them before."""
    return LeftAlone(
        phone_number_id=listed.phone_number_id,
        reason=listed.reason,
        since=listed.since,
        window_ends_at=listed.window_ends_at,
        said=tuple(map(phrase, texts)) if questions.words else (),
        language=tell_language(texts, questions.languages) if questions.languages else None,
        returning=listed.returning,
        had=had,
    )
