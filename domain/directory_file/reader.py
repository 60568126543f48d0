"""Reads the text of a directory file (interface.md, Directory file). The whole text is validated before any of it is
used."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from domain.conversations.evidence.menu import MAX_CHOICE_LENGTH, normalise
from domain.directory import MENU_MARK, Directory
from domain.directory_file.rule_tables import RuleTable, unknown_in_rules
from domain.directory_file.tables import NumberTable, SkillsetTable, Table, UserTable, problem, quoted, suggestion
from domain.directory_file.toml_lines import KeyPath, key_lines


class DirectoryProblem(NamedTuple):
    """A problem and its fix. `path`: where it is, e.g. `("number", 0, "menu", "1")`; `line`: of the text, None when it
    belongs to no line."""

    path: KeyPath
    line: int | None
    message: str


class InvalidDirectory(Exception):
    """The text describes no directory. `problems` has all problems, ordered by line."""

    def __init__(self, problems: Iterable[DirectoryProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(each.message for each in self.problems))


_UNDER_ITS_HEAD = "write each table under its head"
_MAX_DEPTH = 20
"""A directory has four levels."""
_MAX_DOTS = 200
"""Dots of a key, or of a name, which has so many characters. The time to read a key grows with their square."""
_BETWEEN_KEYS = re.compile(r"[=,#\n\[\]{}]+")


def parse_directory(text: str) -> Directory:
    """Returns the directory that a text describes. Raises InvalidDirectory."""
    return directory_of(parse_document(text), key_lines(text))


def parse_document(text: str) -> dict[str, Any]:
    """Returns the TOML document of a text without looking at its tables. Raises InvalidDirectory."""
    if (line := _line_of_long_key(text)) is not None:
        raise InvalidDirectory([DirectoryProblem((), line, f"a key has too many parts; {_UNDER_ITS_HEAD}")])
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also for a number of thousands of digits, or deeply nested lists
        raise InvalidDirectory([_syntax_problem(text, error)]) from None
    if _is_deep(document):
        raise InvalidDirectory([DirectoryProblem((), None, f"nested too deeply; {_UNDER_ITS_HEAD}")])
    return document


def directory_of(document: Mapping[str, Any], line_of: Callable[[KeyPath], int | None] = lambda _: None) -> Directory:
    """Returns the directory that a document describes. `line_of`: finds the line of a key. Raises InvalidDirectory."""
    found = [
        *_unknown_tables(document),
        *_duplicates(document, line_of),
        *_unknown_skillsets(document),
        *_same_choices(document),
        *_useless_texts(document),
        *unknown_in_rules(_raw_tables(document, "rule"), _known_ids(document)),
    ]
    skillsets = _tables(document, "skillset", SkillsetTable, found)
    users = _tables(document, "user", UserTable, found)
    numbers = _tables(document, "number", NumberTable, found)
    rules = _tables(document, "rule", RuleTable, found)
    if not document:
        found.append(((), "the file is empty; add at least a [[number]], a [[skillset]] or a [[user]]"))
    if found:
        problems = dict.fromkeys(DirectoryProblem(path, line_of(path), message) for path, message in found)
        raise InvalidDirectory(sorted(problems, key=lambda each: each.line or 0))
    return Directory(
        {number.phone_number_id: number.to_number() for number in numbers},
        {skillset.id: skillset.to_skillset() for skillset in skillsets},
        {user.id: user.to_user() for user in users},
        tuple(rule.to_rule() for rule in rules),
    )


_T = TypeVar("_T", bound=Table)
_Found = tuple[KeyPath, str]
"""Path of a problem, and its message."""

KEY_OF = {"skillset": "id", "user": "id", "number": "phone_number_id", "rule": "id"}
"""Keys that identify the tables of a kind."""


def _tables(document: Mapping[str, Any], kind: str, model: type[_T], found: list[_Found]) -> list[_T]:
    """Returns the valid tables of a kind, and adds the problems of the others to `found`."""
    valid = []
    for index, table in _raw_tables(document, kind):
        try:
            valid.append(model.model_validate(table))
        except ValidationError as error:
            found += (((kind, index, *each["loc"]), problem(model, each)) for each in error.errors(include_url=False))
    return valid


def _known_ids(document: Mapping[str, Any]) -> dict[str, set[str]]:
    """Returns the ids of the tables of each kind."""
    return {
        kind: {id_ for _, table in _raw_tables(document, kind) if isinstance(id_ := table.get(key), str)}
        for kind, key in KEY_OF.items()
    }


def _raw_tables(document: Mapping[str, Any], kind: str) -> Iterator[tuple[int, dict[str, Any]]]:
    tables = document.get(kind)
    if isinstance(tables, list):
        yield from ((index, table) for index, table in enumerate(tables) if isinstance(table, dict))


def _unknown_tables(document: Mapping[str, Any]) -> Iterator[_Found]:
    for key, value in document.items():
        if key not in KEY_OF:
            yield (key,), f"{key}: unknown; {suggestion(key, KEY_OF)}"
        elif not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            yield (key,), f"{key}: not a list of tables; write [[{key}]] above each {key}"


def _duplicates(document: Mapping[str, Any], line_of: Callable[[KeyPath], int | None]) -> Iterator[_Found]:
    for kind, key in KEY_OF.items():
        first: dict[str, int] = {}
        for index, table in _raw_tables(document, kind):
            id_ = table.get(key)
            if isinstance(id_, str) and id_ in first:
                line = line_of((kind, first[id_], key))
                where = f" in line {line}" if line else ""
                message = f"{key}: {quoted(id_)} is already defined{where}; keep only one [[{kind}]] of it"
                yield (kind, index, key), message
            elif isinstance(id_, str):
                first[id_] = index


def _unknown_skillsets(document: Mapping[str, Any]) -> Iterator[_Found]:
    ids = (table.get("id") for _, table in _raw_tables(document, "skillset"))
    known = {id_: None for id_ in ids if isinstance(id_, str)}
    for path, skillset in _named_skillsets(document):
        if skillset not in known:
            shown = ".".join(str(part) for part in path[2:] if not isinstance(part, int))
            others = f", or {suggestion(skillset, known)}" if known else ""
            yield path, f"{shown}: there is no skillset {quoted(skillset)}; add it as a [[skillset]]{others}"


def _named_skillsets(document: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    for kind, key in (("user", "skillsets"), ("number", "menu")):
        for index, table in _raw_tables(document, kind):
            value = table.get(key)
            pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            yield from (((kind, index, key, at), skillset) for at, skillset in pairs if isinstance(skillset, str))


def _same_choices(document: Mapping[str, Any]) -> Iterator[_Found]:
    for index, table in _raw_tables(document, "number"):
        menu, synonyms = (value if isinstance(value := table.get(key), dict) else {} for key in ("menu", "synonyms"))
        first: dict[str, str] = {}
        for key, choice, path in _choices(menu, synonyms):
            form, place = normalise(choice), ("number", index, *path)
            if not form:
                yield (
                    place,
                    f"{key}: customers cannot choose {quoted(choice)}; use 1 to {MAX_CHOICE_LENGTH} letters or digits",
                )
            elif form in first:
                yield place, f"{key}: {quoted(choice)} and {quoted(first[form])} are the same choice; keep one of them"
            first.setdefault(form, choice)
        for choice in synonyms.keys() - menu.keys():
            others = suggestion(choice, menu) if menu else "add a menu"
            yield ("number", index, "synonyms", choice), f"synonyms: {quoted(choice)} is not on the menu; {others}"


def _useless_texts(document: Mapping[str, Any]) -> Iterator[_Found]:
    """Texts of a number that would never be sent, or would have a gap."""
    for index, table in _raw_tables(document, "number"):
        texts = table.get("texts")
        if not isinstance(texts, dict) or not texts:
            continue
        if table.get("softbot") is True:
            yield ("number", index, "texts"), "texts: the Softbot of the number speaks to customers; leave texts out"
        for language, spoken in texts.items():
            for kind, text in spoken.items() if isinstance(spoken, dict) else ():
                if isinstance(text, str) and MENU_MARK in text and not table.get("menu"):
                    place = ("number", index, "texts", language, kind)
                    yield place, f"texts.{language}.{kind}: the number has no menu; add one, or leave {MENU_MARK} out"


def _choices(menu: Mapping[str, Any], synonyms: Mapping[str, Any]) -> Iterator[tuple[str, str, KeyPath]]:
    """Yields the key, the text and the path of everything that can be chosen."""
    yield from (("menu", choice, ("menu", choice)) for choice in menu)
    for choice, words in synonyms.items():
        for place, word in enumerate(words if isinstance(words, list) else ()):
            if isinstance(word, str):
                yield "synonyms", word, ("synonyms", choice, place)


def _line_of_long_key(text: str) -> int | None:
    """The first line with more dots between two signs than a key may have; None: there is none. A name may have them
    too, but not many."""
    line = 1
    end = 0
    for sign in _BETWEEN_KEYS.finditer(text):
        if text.count(".", end, sign.start()) > _MAX_DOTS:
            return line
        line += text.count("\n", end, sign.end())
        end = sign.end()
    return line if text.count(".", end) > _MAX_DOTS else None


def _is_deep(document: Mapping[str, Any]) -> bool:
    level: list[Any] = [document]
    for _ in range(_MAX_DEPTH):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
    return bool(level)


def _syntax_problem(text: str, error: ValueError | RecursionError) -> DirectoryProblem:
    position = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
    reason = str(error)[: position and position.start()]
    line = int(position[1]) if position and position[1] else text.count("\n") + 1
    if any(word in reason for word in ("overwrite", "Duplicate", "declare")):
        fix = "it is defined twice, keep one"
    else:
        fix = "correct the line" + (f" at column {position[2]}" if position and position[2] else "")
    return DirectoryProblem((), line if position else None, f"not TOML: {reason[:1].lower()}{reason[1:]}; {fix}")
