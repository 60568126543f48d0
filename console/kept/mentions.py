"""Whom a note mentions: `@anna`, or `@Anna Rossi` as people know her."""

from collections.abc import Iterable

from console.words import folded
from infra.postgres.kept.notes import Colleague


def mentioned(text: str, people: Iterable[Colleague]) -> set[str]:
    """Returns the names of the people whom a text mentions: by the name of their sign-in, by their full name, or by a
    first name that only one of them has. The longest name that fits counts; letters have no case and no accents."""
    known: dict[str, set[str]] = {}
    for each in people:
        spellings = {each.name, each.shown_name, each.shown_name.partition(" ")[0]}
        for spelling in filter(None, map(folded, spellings)):
            known.setdefault(spelling, set()).add(each.name)
    own = {folded(each.name): each.name for each in people}
    found = set()
    for _, at, rest in _parts(text):
        if at and (name := _longest(folded(rest) if rest[:1].strip() else "", known)) is not None:
            found |= {own[name]} if name in own else known[name] if len(known[name]) == 1 else set()
    return found


def _parts(text: str) -> Iterable[tuple[str, str, str]]:
    """Each @ that begins a word, with what follows it."""
    rest, before = text, ""
    while "@" in rest:
        head, at, rest = rest.partition("@")
        before = (before + head)[-1:]
        yield before, "" if before.isalnum() else at, rest[:_LONGEST]
        before = "@"


def _longest(rest: str, known: Iterable[str]) -> str | None:
    fits = (name for name in known if rest.startswith(name) and not rest[len(name) : len(name) + 1].isalnum())
    return max(fits, key=len, default=None)


_LONGEST = 200
