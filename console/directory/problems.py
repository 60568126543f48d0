"""What is wrong with a table, in the language of the page. The validation of the file speaks English; its sentences are
recognised here by their patterns, and one that is not stays as it is."""

from collections.abc import Iterable, Mapping, Sequence
from string import Formatter
from typing import Any, NamedTuple
from uuid import UUID

from flask import url_for

from console.request import translated
from domain.contract.texts import gettext_noop
from domain.directory_file.difference import key_of
from domain.directory_file.reader import DirectoryProblem
from domain.directory_file.wording import KINDS, field_name

_PATTERNS = (
    gettext_noop("{value} is not an id; use 1 to 64 characters and no spaces"),
    gettext_noop('{value} is not a phone number id; use the "Phone number ID" (digits) that Meta shows'),
    gettext_noop("too long or not printable; use at most 200 characters on one line"),
    gettext_noop('{value} is not an email address; write it like "anna@example.com"'),
    gettext_noop('there is no time zone {value}; did you mean "{other}"?'),
    gettext_noop('there is no time zone {value}; use a name like "Europe/Rome"'),
    gettext_noop('{value} are not hours; write them like "09:00-13:00"'),
    gettext_noop("{value} is outside the day; use times from 00:00 to 24:00"),
    gettext_noop('{value} is empty; write "00:00-24:00" for the whole day'),
    gettext_noop('{value} crosses midnight; split it: "{first}" here and "{second}" on the next day'),
    gettext_noop('"{first}" and "{second}" overlap; merge or separate them'),
    gettext_noop("empty, too long or not printable; use 1 to {most} characters"),
    gettext_noop("{value} is nothing that customers could write; use 1 to {most} words"),
    gettext_noop("{value} is no word to look for; use one word of {least} to {most} letters"),
    gettext_noop("must be a whole number from {least} to {most}; write it like {example}"),
    gettext_noop("{value} is already defined; keep only one [[{kind}]] of it"),
    gettext_noop("there is no skillset {value}; add it as a [[skillset]], or {other}"),
    gettext_noop("there is no skillset {value}; add it as a [[skillset]]"),
    gettext_noop("customers cannot choose {value}; use 1 to {most} letters or digits"),
    gettext_noop("{value} and {other} are the same choice; keep one of them"),
    gettext_noop("the Softbot of the number speaks to customers; leave texts out"),
    gettext_noop("the number has no menu; add one, or leave {menu} out"),
    gettext_noop("there are none; leave hours out for a number that is always open"),
    gettext_noop("{value} is not on the menu; {other}"),
    gettext_noop("there is no reason {value}; {other}"),
    gettext_noop("{value} is nothing that customers could write; use words, at the end also with a *"),
    gettext_noop('{value} is no code of a language; use two letters like "it"'),
    gettext_noop("empty or too long; use 1 to {most} characters"),
    gettext_noop('write one of user = "..", skillset = "..", previous = true'),
    gettext_noop("does nothing; add one of mail, text, template, alarm, transfer, dismiss"),
    gettext_noop("{value} and {other} exclude each other; keep one of them"),
    gettext_noop("there is no {kind} {value}; add it as a [[{table}]], or {other}"),
    gettext_noop("there is no {kind} {value}; add it as a [[{table}]]"),
    gettext_noop("missing; write {example}"),
    gettext_noop("unknown key; {other}"),
    gettext_noop("unknown; {other}"),
    gettext_noop("not a list of tables; write {table} above each {kind}"),
    gettext_noop("must be one of {values}; write it like {example}"),
    gettext_noop("must be {what}; write it like {example}"),
)
_KIND_NAMES = {kind: KINDS[kind] for kind in ("number", "skillset", "user")}
_TRANSLATED: Mapping[str, Mapping[str, str]] = {
    "there is no {kind} {value}; add it as a [[{table}]], or {other}": _KIND_NAMES,
    "there is no {kind} {value}; add it as a [[{table}]]": _KIND_NAMES,
    "must be {what}; write it like {example}": {
        "a string": gettext_noop("a string"),
        "a text": gettext_noop("a text"),
        "a text of one line": gettext_noop("a text of one line"),
        "a table": gettext_noop("a table"),
        "a table of texts": gettext_noop("a table of texts"),
        "a table of days and hours": gettext_noop("a table of days and hours"),
        "a table of choices and skillsets": gettext_noop("a table of choices and skillsets"),
        "a table of choices and lists of words": gettext_noop("a table of choices and lists of words"),
        "a table of languages and texts": gettext_noop("a table of languages and texts"),
        "true or false, without quotes": gettext_noop("true or false, without quotes"),
        "a list of words": gettext_noop("a list of words"),
        "a list of hours": gettext_noop("a list of hours"),
        "a list of reasons": gettext_noop("a list of reasons"),
        "a list of languages": gettext_noop("a list of languages"),
        "a list of skillset ids": gettext_noop("a list of skillset ids"),
        "a list of phone number ids": gettext_noop("a list of phone number ids"),
        "a list of 1 to 50 addresses": gettext_noop("a list of 1 to 50 addresses"),
        "a user id": gettext_noop("a user id"),
        "a skillset id": gettext_noop("a skillset id"),
        "the name of a template": gettext_noop("the name of a template"),
        "the language of a template": gettext_noop("the language of a template"),
        "the name of a channel": gettext_noop("the name of a channel"),
        '"open" or "closed"': gettext_noop('"open" or "closed"'),
        '"immediate" or "exclusive"': gettext_noop('"immediate" or "exclusive"'),
    },
}
"""Values of a pattern that are words themselves."""
_NAMED_BY_RULES = {
    "number": gettext_noop("It is about the number %(id)s, which would be gone. Change or remove the rule first."),
    "skillset": gettext_noop("It names the skillset %(id)s, which would be gone. Change or remove the rule first."),
    "user": gettext_noop("It names the user %(id)s, who would be gone. Change or remove the rule first."),
}
_ABOUT = gettext_noop("{kind} “{name}”")
_MISSING = "there is no {kind} {value}; "


class ShownProblem(NamedTuple):
    """A problem for people. `about`: the table, empty if it is about none; `address`: where that is changed, or
    empty."""

    about: str
    address: str
    text: str


def shown_problems(
    problems: Iterable[DirectoryProblem], document: Mapping[str, Any], draft: UUID | None = None
) -> list[ShownProblem]:
    """Problems of a document in the language of the page, each with the table that it is about. `draft`: of which the
    document is the text."""
    return [_shown(problem, document, draft) for problem in problems]


def problem_said(problem: DirectoryProblem) -> str:
    """A problem in the language of the page, without the name of its key, which stands beside the field."""
    key, _, said = problem.message.partition(": ")
    return problem_text(said or key)


def _shown(problem: DirectoryProblem, document: Mapping[str, Any], draft: UUID | None) -> ShownProblem:
    kind = str(problem.path[0]) if problem.path else ""
    table = _table_at(problem.path, document)
    if table is None:
        return ShownProblem("", "", problem_said(problem))
    id_ = str(table.get(key_of(kind), ""))
    about = translated(_ABOUT).replace("{kind}", _capital(translated(KINDS[kind])))
    about = about.replace("{name}", str(table.get("name") or id_))
    named = _values(_MISSING, f"{problem.message.partition(': ')[2].partition(';')[0]}; ") if kind == "rule" else None
    if named is not None and named["kind"] in _NAMED_BY_RULES:
        named_kind, id_of_it = named["kind"], named["value"]
        text = translated(_NAMED_BY_RULES[named_kind]) % {"id": id_of_it}
        return ShownProblem(about, url_for("rules.show", rule=id_), text)
    address = url_for("directory_edit.edit", kind=kind, id=id_, draft=draft) if kind != "rule" else ""
    field = field_name(tuple(str(each) for each in problem.path[2:] if not isinstance(each, int)), translated)
    return ShownProblem(about, address or url_for("rules.show", rule=id_), f"{field}: {problem_said(problem)}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _table_at(path: Sequence[object], document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The table in which a place is; None: it is in none that people edit."""
    if len(path) < 3 or path[0] not in KINDS or not isinstance(path[1], int):
        return None
    tables = document.get(str(path[0]))
    found = tables[path[1]] if isinstance(tables, list) and path[1] < len(tables) else None
    return found if isinstance(found, Mapping) else None


def problem_text(message: str) -> str:
    """A problem in the language of the page; `message`: as the validation says it, without the name of its key."""
    for pattern in _PATTERNS:
        if (found := _values(pattern, message)) is not None:
            text = translated(pattern)
            words = _TRANSLATED.get(pattern, {})
            for name, value in found.items():
                text = text.replace(f"{{{name}}}", translated(words[value]) if value in words else value)
            return text
    return message


def _values(pattern: str, message: str) -> dict[str, str] | None:
    """What stands in a message where a pattern has its names; None: it does not fit. Takes time by the length of the
    message only: what was typed is part of it."""
    (first, name), *others = [(literal, field) for literal, field, _, _ in Formatter().parse(pattern)]
    if not message.startswith(first):
        return None
    place, found = len(first), dict[str, str]()
    for literal, following in [*others, ("", None)] if name else others:
        if name is None:
            break
        is_last = following is None
        end = len(message) - len(literal) if is_last else message.find(literal, place)
        if end < place or not message.startswith(literal, end):
            return None
        found[name] = message[place:end]
        place, name = end + len(literal), following
    return found if place == len(message) else None
