"""What the pages of the directory say: tables in short, hints, differences, and what a change does."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import unified_diff
from itertools import groupby, islice
from typing import Any, NamedTuple, get_args

from psycopg import Connection

from console.request import translated, words
from domain.contract.texts import gettext_noop
from domain.directory import Directory, Number, Weekday
from domain.directory_file.difference import FieldConflict, TableChange
from domain.directory_file.hints import DirectoryHint, HintCode, hints
from domain.directory_file.tables import hours_text
from domain.directory_file.wording import DAYS, KINDS, field_name, heading, value_text
from infra.postgres.console.directory import owned_conversations

MOST_LINES = 2000
"""Lines of a difference that are shown as text."""
_CONTEXT = 3
_HINTS: Mapping[HintCode, str] = {
    "unstaffed_choice": gettext_noop("“{about}” on the menu leads to {target}, which has no users."),
    "menu_not_shown": gettext_noop("No greeting in its language shows the menu, so customers must know it."),
    "other_language": gettext_noop("Texts in “{about}” are never said: the number speaks another language."),
    "nameless_number": gettext_noop("It has no name: lists show its id."),
    "empty_skillset": gettext_noop("No user has this skillset: what is queued for it waits for nobody."),
    "user_without_skillset": gettext_noop("No skillset: only gets what is transferred by name."),
    "user_without_capacity": gettext_noop("May have 0 conversations: never gets any."),
}

_ALWAYS = {
    True: gettext_noop("{name} is always open from now on."),
    False: gettext_noop("{name} was always open; from now on it is closed outside of these hours."),
}


class ShownChange(NamedTuple):
    """A change of a table. `rows`: field, before, after; None: no value."""

    action: str
    kind: str
    heading: str
    rows: Sequence[tuple[str, str | None, str | None]]


class ShownHint(NamedTuple):
    """A hint. `name`: of the table that it is about."""

    kind: str
    id: str
    name: str
    text: str


def shown_changes(changes: Iterable[TableChange]) -> list[ShownChange]:
    """Changes in the language of the page."""
    return [
        ShownChange(
            change.action,
            change.kind,
            heading(change, translated),
            [
                (
                    field_name(each.path, translated),
                    None if each.before is None else value_text(each.before, translated),
                    None if each.after is None else value_text(each.after, translated),
                )
                for each in change.fields
            ],
        )
        for change in changes
    ]


def shown_conflicts(conflicts: Iterable[FieldConflict]) -> list[tuple[str, str, str]]:
    """What two people changed differently: where, what the other one made of it, and what the edit makes of it."""
    return [
        (
            f"{each.name}: {field_name(each.path, translated)}" if each.path else each.name,
            _whole(each.theirs) if not each.path else value_text(each.theirs, translated),
            _whole(each.mine) if not each.path else value_text(each.mine, translated),
        )
        for each in conflicts
    ]


def _whole(table: object) -> str:
    return translated(gettext_noop("removed") if table is None else gettext_noop("kept"))


def short_changes(changes: Sequence[Sequence[str]], changed: int, directory: Directory) -> str:
    """The first changes of a version, for a list: "Workshop, Anna Rossi and 3 more"."""
    shown = [_name(directory, kind, id_) for _, kind, id_ in changes[:3]]
    more = changed - len(shown)
    text = ", ".join(shown)
    return (
        words().ngettext("%(names)s and %(num)s more", "%(names)s and %(num)s more", more)
        % {
            "names": text,
            "num": more,
        }
        if more > 0
        else text
    )


def text_diff(before: str, after: str) -> list[tuple[str, str]]:
    """The difference line by line: a sign (`-`, `+`, `@` or a blank) and the line."""
    found = unified_diff(before.splitlines(), after.splitlines(), n=_CONTEXT, lineterm="")
    return [(line[:1], line[1:] if line[:1] != "@" else "") for line in islice(found, 3, MOST_LINES)]


def shown_hints(directory: Directory) -> list[ShownHint]:
    """All hints about a directory."""
    return [_hint(directory, hint) for hint in hints(directory)]


def effects(conn: Connection[Any], changes: Sequence[TableChange], before: Directory, after: Directory) -> list[str]:
    """What a change does besides itself, as sentences."""
    removed = {kind: [c.id for c in changes if c.action == "removed" and c.kind == kind] for kind in KINDS}
    sentences = []
    for owned in owned_conversations(conn, removed["user"], removed["skillset"]):
        name = _name(before, owned.kind, owned.id)
        if n := owned.returned:
            text = words().ngettext(
                "%(num)s conversation of %(name)s goes back to the list.",
                "%(num)s conversations of %(name)s go back to the list.",
                n,
            )
            sentences.append(text % {"num": words().number(n), "name": name})
        if n := owned.kept:
            text = words().ngettext(
                "%(num)s conversation that %(name)s has answered stays as it is.",
                "%(num)s conversations that %(name)s has answered stay as they are.",
                n,
            )
            sentences.append(text % {"num": words().number(n), "name": name})
    for id_ in removed["user"]:
        sentences.append(
            _filled(
                gettext_noop("{name} can no longer sign in as a user of the directory."),
                name=_name(before, "user", id_),
            )
        )
    for id_ in removed["number"]:
        text = gettext_noop("{name} still receives messages, without menu and hours; its conversations stay.")
        sentences.append(_filled(text, name=_name(before, "number", id_)))
    for id_, number in after.numbers.items():
        earlier = before.numbers.get(id_)
        if earlier and (earlier.hours is None) != (number.hours is None):
            sentences.append(_filled(_ALWAYS[number.hours is None], name=_name(after, "number", id_)))
    for id_, user in after.users.items():
        known = before.users.get(id_)
        if known and user.max_conversations < known.max_conversations:
            text = gettext_noop("{name} keeps what is accepted; open offers above {n} go to others.")
            sentences.append(_filled(text, name=user.name, n=words().number(user.max_conversations)))
    return sentences


def short_hours(number: Number) -> str:
    """The opening hours in a line: "Mon–Fri 09:00-18:00"."""
    if number.hours is None:
        return translated(gettext_noop("always open"))
    days: Sequence[Weekday] = get_args(Weekday)
    texts = [(day, ", ".join(hours_text(each) for each in number.hours.get(day, ()))) for day in days]
    parts = []
    for text, run in groupby(texts, key=lambda each: each[1]):
        same = [day for day, _ in run]
        if text:
            first, last = (words().short_day(days.index(day)) for day in (same[0], same[-1]))
            parts.append(f"{first if first == last else f'{first}–{last}'} {text}")
    return "; ".join(parts)


def _hint(directory: Directory, hint: DirectoryHint) -> ShownHint:
    target = ""
    if hint.code == "unstaffed_choice":
        skillset = directory.numbers[hint.id].menu[hint.about]
        target = _name(directory, "skillset", skillset)
    text = _filled(_HINTS[hint.code], about=hint.about, target=target)
    return ShownHint(hint.kind, hint.id, _name(directory, hint.kind, hint.id), text)


def _name(directory: Directory, kind: str, id_: str) -> str:
    tables: Mapping[str, Mapping[str, Any]] = {
        "number": directory.numbers,
        "skillset": directory.skillsets,
        "user": directory.users,
        "rule": {rule.id: rule for rule in directory.rules},
    }
    table = tables.get(kind, {}).get(id_)
    return (table.name if table else "") or id_ or translated(KINDS.get(kind, kind))


def _filled(text: str, **values: str) -> str:
    text = translated(text)
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def day_names() -> dict[str, str]:
    """Weekday of the file -> its name."""
    return {day: translated(name) for day, name in DAYS.items()}
