"""The language of short texts, by a statistical model that is loaded when it is first asked (130 MB, 3 s): only rules
that ask for a language need it."""

from collections.abc import Iterable
from functools import cache
from typing import Protocol

LEAST_CERTAIN = 0.6
"""Below this probability the language counts as not known: "ok" is no language."""
_MOST_CHARACTERS = 2000


def language_of(texts: Iterable[str], among: frozenset[str]) -> str | None:
    """Returns the language of what was written (ISO 639-1), one of the known ones; None: it cannot be told. `among`:
    the languages that are expected besides the most frequent ones."""
    text = " ".join(texts)[:_MOST_CHARACTERS].strip()
    if not any(char.isalpha() for char in text):
        return None
    language, probability = _identifier(among | FREQUENT).classify(text)
    return language if probability >= LEAST_CERTAIN else None


FREQUENT = frozenset({"ar", "de", "en", "es", "fr", "hi", "id", "it", "ja", "nl", "pl", "pt", "ru", "tr", "uk", "zh"})
"""Among few languages a short text is told with more certainty."""


class _Identifier(Protocol):
    def classify(self, text: str) -> tuple[str, float]: ...


@cache
def _identifier(among: frozenset[str]) -> _Identifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)  # type: ignore[no-untyped-call]
    identifier.set_languages(sorted(among))
    found: _Identifier = identifier
    return found
