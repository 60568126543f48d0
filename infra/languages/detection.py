"""The language of short texts, by a statistical model that is loaded when it is first asked (130 MB, 3 s): only rules
that ask for a language need it."""

from collections.abc import Iterable, Sequence
from copy import copy
from functools import cache, lru_cache
from typing import Protocol

from domain.rules.rule import LANGUAGES

LEAST_CERTAIN = 0.6
"""Below this probability the language counts as not known: "ok" is no language."""
_MOST_CHARACTERS = 2000


def language_of(texts: Iterable[str], among: frozenset[str]) -> str | None:
    """Returns the language of what was written (ISO 639-1), one of the known ones; None: it cannot be told. `among`:
    the languages that are expected besides the most frequent ones; those that nobody can tell are left out."""
    text = " ".join(texts)[:_MOST_CHARACTERS].strip()
    if not any(char.isalpha() for char in text):
        return None
    language, probability = _identifier((among & LANGUAGES) | FREQUENT).classify(text)
    return language if probability >= LEAST_CERTAIN else None


FREQUENT = frozenset({"ar", "de", "en", "es", "fr", "hi", "id", "it", "ja", "nl", "pl", "pt", "ru", "tr", "uk", "zh"})
"""Among few languages a short text is told with more certainty."""


class _Identifier(Protocol):
    def set_languages(self, langs: Sequence[str]) -> None: ...

    def classify(self, text: str) -> tuple[str, float]: ...


@lru_cache(maxsize=16)
def _identifier(among: frozenset[str]) -> _Identifier:
    identifier = copy(_model())  # shares what is large with all others
    identifier.set_languages(sorted(among))
    return identifier


@cache
def _model() -> _Identifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    found: _Identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)  # type: ignore[no-untyped-call]
    return found
