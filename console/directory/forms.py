"""Forms of the directory's tables: what a form shows of a table, and the table that a sent form describes.

A value whose fields come back as they were shown stays exactly as it was, whatever a browser makes of unusual
characters. So a form that nobody touched changes nothing."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast, get_args, get_origin

from console.words import zone_meant
from domain.directory import Language, TextKind, Weekday
from domain.directory_file.difference import key_of
from domain.directory_file.tables import NumberTable, SkillsetTable, Table, UserTable, quoted
from domain.directory_file.toml_lines import KeyPath
from domain.retention.periods import RetentionKind

TableKind = Literal["number", "skillset", "user"]
FormValues = Mapping[str, str]
"""Names of fields and their texts; a box that is not ticked is missing."""
RawTable = dict[str, object]
Widget = Literal["text", "zone", "check", "count", "lines", "choices", "members", "hours", "menu", "texts", "days"]

KINDS: tuple[TableKind, ...] = get_args(TableKind)
MODELS: Mapping[TableKind, type[Table]] = {"number": NumberTable, "skillset": SkillsetTable, "user": UserTable}
SPARE_ROWS = 3
"""Empty rows of a menu."""
MOST_ROWS = 200
_DAYS: tuple[Weekday, ...] = get_args(Weekday)
_SPECIAL: Mapping[str, Widget] = {
    "time_zone": "zone",
    "hours": "hours",
    "menu": "menu",
    "synonyms": "menu",
    "texts": "texts",
    "skillsets": "members",
    "retention": "days",
}
LEFT_OUT = ("synonyms",)
"""Keys that have no fields of their own: other words stand beside the choices of the menu."""
_ROW = ("choice", "skillset", "words")
_INT = re.compile(r"-?\d{1,9}")


class FormField(NamedTuple):
    """A key of a table, and what it is edited with. `choices`: of a `choices` field."""

    key: str
    widget: Widget
    choices: tuple[str, ...] = ()


class EditedTable(NamedTuple):
    """The table that a form describes. `problems`: what a table cannot even express, by the path within it."""

    table: RawTable
    problems: Sequence[tuple[KeyPath, str]] = ()


def fields_of(kind: TableKind) -> list[FormField]:
    """The fields of the tables of a kind, also those that were added to the file since."""
    return [_field(key, info.annotation) for key, info in MODELS[kind].model_fields.items() if key not in LEFT_OUT]


def form_of(kind: TableKind, table: Mapping[str, object], rows: int = SPARE_ROWS) -> dict[str, str]:
    """What the form of a table shows. `rows`: empty rows of its menu."""
    shown: dict[str, str] = {}
    for field in fields_of(kind):
        shown.update(_SHOW[field.widget](field.key, table, rows))
    return shown


def table_of(kind: TableKind, sent: FormValues, base: Mapping[str, object]) -> EditedTable:
    """The table that a sent form describes. `base`: the table that the form was made of; its key stays."""
    before = {name: _lines(text) for name, text in form_of(kind, base).items() if text}
    after = {name: _lines(text) for name, text in sent.items() if text}
    table: RawTable = dict(base)
    problems: list[tuple[KeyPath, str]] = []
    for field in fields_of(kind):
        if field.key == key_of(kind) and field.key in base:
            continue
        own = [{name: text for name, text in values.items() if _belongs(name, field.key)} for values in (before, after)]
        if own[0] != own[1]:
            read = _READ[field.widget](field.key, own[1])
            table.update(read.table)
            problems += read.problems
    return EditedTable(table, problems)


def field_at(path: KeyPath, table: Mapping[str, object], sent: FormValues) -> str:
    """The name of the field that a path within a table belongs to."""
    key = str(path[0]) if path else ""
    if key in ("hours", "texts", "retention"):
        return ".".join(str(part) for part in path if isinstance(part, str))
    if key not in ("menu", "synonyms"):
        return key
    choice = str(path[1]) if len(path) > 1 else ""
    if key == "menu" and len(path) > 2 and isinstance(path[2], int):
        return f"menu.{path[2]}"
    return next((f"menu.{row}" for row in menu_rows(sent) if sent.get(f"menu.{row}.choice", "") == choice), "menu")


def menu_rows(values: FormValues) -> list[int]:
    """The rows of a menu that a form has, in order."""
    found = {int(name.split(".")[1]) for name in values if re.fullmatch(r"menu\.\d{1,3}\.\w+", name)}
    return sorted(row for row in found if row < MOST_ROWS)


def _field(key: str, annotation: object) -> FormField:
    if key in _SPECIAL:
        return FormField(key, _SPECIAL[key])
    if get_origin(annotation) is Literal:
        return FormField(key, "choices", tuple(map(str, get_args(annotation))))
    if get_origin(annotation) is list:
        return FormField(key, "lines")
    if annotation is bool:
        return FormField(key, "check")
    return FormField(key, "count" if annotation is int else "text")


def _belongs(name: str, key: str) -> bool:
    return name == key or name.startswith(f"{key}.")


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _show_text(key: str, table: Mapping[str, object], _: int) -> dict[str, str]:
    value = table.get(key)
    return {key: "" if value is None else str(value)}


def _show_check(key: str, table: Mapping[str, object], _: int) -> dict[str, str]:
    return {key: "1"} if table.get(key) else {}


def _show_lines(key: str, table: Mapping[str, object], _: int) -> dict[str, str]:
    return {key: "\n".join(_list(table.get(key)))}


def _show_members(key: str, table: Mapping[str, object], _: int) -> dict[str, str]:
    return {f"{key}.{each}": "1" for each in _list(table.get(key))}


def _show_hours(key: str, table: Mapping[str, object], _: int) -> dict[str, str]:
    hours = _mapping(table.get(key))
    return {f"{key}.{day}": ", ".join(_list(hours.get(day))) for day in _DAYS}


def _show_menu(key: str, table: Mapping[str, object], rows: int) -> dict[str, str]:
    menu, synonyms = _mapping(table.get("menu")), _mapping(table.get("synonyms"))
    shown: dict[str, str] = {}
    for row, (choice, skillset) in enumerate([*menu.items(), *[("", "")] * rows]):
        words = ", ".join(_list(synonyms.get(choice)))
        shown |= {f"{key}.{row}.choice": choice, f"{key}.{row}.skillset": str(skillset), f"{key}.{row}.words": words}
    return shown


def _show_texts(key: str, table: Mapping[str, object], _: int) -> dict[str, str]:
    texts = _mapping(table.get(key))
    return {
        f"{key}.{language}.{kind}": str(_mapping(texts.get(language)).get(kind) or "")
        for language in get_args(Language)
        for kind in get_args(TextKind)
    }


def _show_days(key: str, table: Mapping[str, object], _: int) -> dict[str, str]:
    days = _mapping(table.get(key))
    return {f"{key}.{kind}": str(days.get(kind) or "") for kind in get_args(RetentionKind)}


def _read_text(key: str, sent: FormValues) -> EditedTable:
    return EditedTable({key: sent.get(key, "").strip()})


def _read_zone(key: str, sent: FormValues) -> EditedTable:
    typed = sent.get(key, "").strip()
    meant = zone_meant(typed)
    return EditedTable({key: meant.key if meant else typed})


def _read_check(key: str, sent: FormValues) -> EditedTable:
    return EditedTable({key: key in sent})


def _read_count(key: str, sent: FormValues) -> EditedTable:
    typed = sent.get(key, "").strip()
    return EditedTable({key: int(typed) if _INT.fullmatch(typed) else typed})


def _read_lines(key: str, sent: FormValues) -> EditedTable:
    return EditedTable({key: [line.strip() for line in sent.get(key, "").split("\n") if line.strip()]})


def _read_members(key: str, sent: FormValues) -> EditedTable:
    return EditedTable({key: [name.removeprefix(f"{key}.") for name in sent]})


def _read_hours(key: str, sent: FormValues) -> EditedTable:
    days = {day: _parts(sent.get(f"{key}.{day}", "")) for day in _DAYS}
    hours = {day: openings for day, openings in days.items() if openings}
    return EditedTable({key: hours or None})


def _read_menu(_: str, sent: FormValues) -> EditedTable:
    menu: dict[str, str] = {}
    synonyms: dict[str, list[str]] = {}
    problems: list[tuple[KeyPath, str]] = []
    for row in menu_rows(sent):
        choice, skillset, words = (
            sent.get(f"menu.{row}.{part}", "").strip() for part in ("choice", "skillset", "words")
        )
        if not choice and not words and not skillset:
            continue
        if choice in menu:
            message = f"menu: {quoted(choice)} and {quoted(choice)} are the same choice; keep one of them"
            problems.append((("menu", choice, row), message))
            continue
        menu[choice] = skillset
        if words:
            synonyms[choice] = _parts(words)
    return EditedTable({"menu": menu, "synonyms": synonyms or None}, problems)


def _read_texts(key: str, sent: FormValues) -> EditedTable:
    texts: dict[str, dict[str, str]] = {}
    for name, text in sent.items():
        _, language, kind = name.split(".", 2)
        if text.strip():
            texts.setdefault(language, {})[kind] = text.strip()
    return EditedTable({key: texts or None})


def _read_days(key: str, sent: FormValues) -> EditedTable:
    typed = {name.removeprefix(f"{key}."): text.strip() for name, text in sent.items() if text.strip()}
    return EditedTable(
        {key: {kind: int(text) if _INT.fullmatch(text) else text for kind, text in typed.items()} or None}
    )


def _parts(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,;\n]", text) if part.strip()]


def _list(value: object) -> list[str]:
    return [str(each) for each in cast(Sequence[object], value or ())]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


_SHOW: Mapping[Widget, Callable[[str, Mapping[str, object], int], dict[str, str]]] = {
    "text": _show_text,
    "zone": _show_text,
    "choices": _show_text,
    "count": _show_text,
    "check": _show_check,
    "lines": _show_lines,
    "members": _show_members,
    "hours": _show_hours,
    "menu": _show_menu,
    "texts": _show_texts,
    "days": _show_days,
}
_READ: Mapping[Widget, Callable[[str, FormValues], EditedTable]] = {
    "text": _read_text,
    "zone": _read_zone,
    "choices": _read_text,
    "count": _read_count,
    "check": _read_check,
    "lines": _read_lines,
    "members": _read_members,
    "hours": _read_hours,
    "menu": _read_menu,
    "texts": _read_texts,
    "days": _read_days,
}
