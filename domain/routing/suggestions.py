"""Which skillset a conversation probably belongs to, as the first choice of a dialog (domain.md, *Suggestions*)."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from domain.directory import Directory, Number
from domain.search import phrase

_SHORTEST = 3
"""Words with fewer letters say nothing: `1` and `ok` stand in any text."""


class Suggestion(NamedTuple):
    """A skillset, and why it is suggested. `why`: `words`, the customer wrote `word`, which leads to it; `before`, they
    had it the last time."""

    skillset: str
    why: Literal["words", "before"]
    word: str = ""


def suggested_skillset(
    texts: Iterable[str], number: Number, directory: Directory, before: str | None
) -> Suggestion | None:
    """Returns the skillset whose words the customer's texts have most of, the words of the latest text counting first;
    else the one `before`; None: nothing tells. A skillset's words are its own, those of its name, and the words that
    lead to it on the number's menu. Two skillsets with equally many words of the same text tell nothing. `texts`: the
    latest first."""
    known = _words_of(number, directory)
    for text in texts:
        counted: dict[str, list[str]] = {}
        for word in _words(text):
            for skillset in known.get(word, ()):
                counted.setdefault(skillset, []).append(word)
        ranked = sorted(counted.items(), key=lambda each: -len(each[1]))
        if ranked and (len(ranked) == 1 or len(ranked[0][1]) > len(ranked[1][1])):
            return Suggestion(ranked[0][0], "words", ranked[0][1][0])
    return Suggestion(before, "before") if before in directory.skillsets and before is not None else None


def is_telling(word: str) -> bool:
    """Returns whether it is one word that can tell a skillset."""
    return len(_words(word)) == 1 == len(phrase(word).split())


def _words_of(number: Number, directory: Directory) -> Mapping[str, set[str]]:
    """Word -> the skillsets to which it leads."""
    known: dict[str, set[str]] = {}
    spoken = [(each, id_) for id_, skillset in directory.skillsets.items() for each in (skillset.name, *skillset.words)]
    for spelling, skillset in (*spoken, *number.choices.items()):
        for word in _words(spelling) if skillset in directory.skillsets else ():
            known.setdefault(word, set()).add(skillset)
    return known


def _words(text: str) -> list[str]:
    """The words of a text as a search compares them, each once, in their order."""
    return list(dict.fromkeys(word for word in phrase(text).split() if len(word) >= _SHORTEST))
