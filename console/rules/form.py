"""The form of a rule: what it shows of the rule's table in the directory file, and the table that a sent form
describes.

A part whose fields come back as they were shown stays exactly as it was, whatever a browser makes of unusual
characters. So a form that nobody touched changes nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from domain.contract.texts import gettext_noop

RuleFields = Mapping[str, Sequence[str]]
"""Names of fields and their values; a box that is not ticked is missing."""
RuleRow = Mapping[str, Any]
"""A table `[[rule]]`."""

CONDITIONS = ("alone", "left", "hours", "words", "languages", "returning", "had")
"""Conditions that a rule may have, beside its numbers and reasons, in the order of the sentence."""
ACTIONS = ("mail", "text", "template", "alarm", "transfer", "dismiss")
EXCLUSIVE = (("text", "template"), ("transfer", "dismiss"))
"""Actions of which a rule has one at most."""
_PROPOSED: RuleRow = {
    "alone_minutes": 10,
    "left_minutes": 240,
    "hours": "closed",
    "returning": True,
    "mail": {"to": [""]},
    "text": "",
    "template": {"name": "", "language": ""},
    "alarm": "",
    "transfer": {"skillset": "", "mode": "exclusive"},
    "dismiss": "no_answer_needed",
}
_EMPTY = gettext_noop("Fill it in, or take it out.")


class EditedRule(NamedTuple):
    """The table that a form describes. `problems`: what a table cannot even express, by field."""

    table: dict[str, Any]
    problems: Sequence[tuple[str, str]] = ()


def fields_of(table: RuleRow) -> dict[str, list[str]]:
    """Returns what the form of a table shows."""
    shown: dict[str, list[str]] = {}
    for part in _PARTS.values():
        shown.update(part.show(table))
    shown["when"] = [name for name in CONDITIONS if _PARTS[name].has(table)]
    shown["then"] = [name for name in ACTIONS if _PARTS[name].has(table)]
    return shown


def table_of(sent: RuleFields, base: RuleRow) -> EditedRule:
    """Returns the table that a sent form describes. `base`: the table that the form was made of, whose id stays; of a
    new rule one without more."""
    before = fields_of(base)
    table = {key: base[key] for key in ("id", "on") if key in base}
    problems: list[tuple[str, str]] = []
    for name, part in _PARTS.items():
        if name in CONDITIONS and name not in sent.get("when", ()):
            continue
        if name in ACTIONS and name not in sent.get("then", ()):
            continue
        own = {field: [_lines(value) for value in sent.get(field, ())] for field in part.fields}
        optional = name in CONDITIONS or name in ACTIONS
        if (part.has(base) or not optional) and all(
            own[field] == [_lines(each) for each in before.get(field, ())] for field in own
        ):
            table.update({key: base[key] for key in part.keys if key in base})
            continue
        read = part.read(own)
        if name in CONDITIONS and not any(read.values()) and name != "returning":
            problems.append((name, _EMPTY))
        table.update(read)
    return EditedRule(table, problems)


def with_part(sent: RuleFields, name: str) -> dict[str, list[str]]:
    """Returns a form with one more condition or action, filled as it is proposed."""
    fields = {key: list(values) for key, values in sent.items()}
    if name not in _PARTS:
        return fields
    kind = "when" if name in CONDITIONS else "then"
    known = fields.setdefault(kind, [])
    if name not in known:
        for field, values in _PARTS[name].show(_PROPOSED).items():
            fields[field] = values
        fields[kind] = [each for each in (*CONDITIONS, *ACTIONS) if each in known or each == name]
    return fields


def without_part(sent: RuleFields, name: str) -> dict[str, list[str]]:
    """Returns a form without a condition or an action."""
    fields = {key: list(values) for key, values in sent.items()}
    for kind in ("when", "then"):
        fields[kind] = [each for each in fields.get(kind, ()) if each != name]
    return fields


def part_at(path: Sequence[object]) -> str:
    """Returns the part of the form that shows a place of a table."""
    key = str(path[0]) if path else ""
    return next((name for name, part in _PARTS.items() if key in part.keys), "")


class _Part(NamedTuple):
    """A part of the form. `keys`: of the table; `show`: its fields with their values; `read`: the keys of what was
    sent."""

    keys: tuple[str, ...]
    fields: tuple[str, ...]
    show: Callable[[RuleRow], dict[str, list[str]]]
    read: Callable[[RuleFields], dict[str, Any]]

    def has(self, table: RuleRow) -> bool:
        """Whether a table says something about it."""
        return any(table.get(key) not in (None, [], ()) and not _is_nothing(key, table[key]) for key in self.keys)


def _is_nothing(key: str, value: object) -> bool:
    return key == "alone_minutes" and value == 0


def _first(fields: RuleFields, name: str) -> str:
    return next(iter(fields.get(name, ())), "").strip()


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _rows(fields: RuleFields, name: str) -> list[str]:
    return [line.strip() for value in fields.get(name, ()) for line in value.split("\n") if line.strip()]


def _listed(key: str, field: str) -> _Part:
    """A list of which some are ticked."""
    return _Part(
        (key,),
        (field,),
        lambda table: {field: list(table.get(key) or ())},
        lambda sent: {key: list(sent.get(field, ()))},
    )


def _written(key: str, field: str) -> _Part:
    """A list of texts, one a line."""
    return _Part(
        (key,),
        (field,),
        lambda table: {field: ["\n".join(table[key])] if table.get(key) else []},
        lambda sent: {key: _rows(sent, field)},
    )


def _line(key: str) -> _Part:
    """A text, or one of several."""
    return _Part(
        (key,),
        (key,),
        lambda table: {key: [str(table[key])] if table.get(key) is not None else []},
        lambda sent: {key: _first(sent, key)},
    )


def _length(key: str, field: str) -> _Part:
    """A length in minutes or hours."""
    unit = f"{field}_unit"
    return _Part(
        (key,),
        (field, unit),
        lambda table: _shown_length(field, table.get(key)),
        lambda sent: _read_length(key, field, sent),
    )


def _shown_length(field: str, minutes: int | None) -> dict[str, list[str]]:
    if minutes is None:
        return {}
    in_hours = minutes >= 60 and not minutes % 60
    return {field: [str(minutes // 60 if in_hours else minutes)], f"{field}_unit": ["h" if in_hours else "min"]}


def _read_length(key: str, field: str, sent: RuleFields) -> dict[str, Any]:
    typed = _first(sent, field)
    if not typed:
        return {}
    if not (typed.isascii() and typed.isdecimal() and len(typed) < 6):
        return {key: typed}
    return {key: int(typed) * (60 if _first(sent, f"{field}_unit") == "h" else 1)}


def _show_returning(table: RuleRow) -> dict[str, list[str]]:
    known = table.get("returning")
    return {} if known is None else {"returning": ["yes" if known else "no"]}


def _show_transfer(table: RuleRow) -> dict[str, list[str]]:
    transfer = table.get("transfer")
    if not transfer:
        return {}
    kind = next((kind for kind in ("skillset", "user") if transfer.get(kind) is not None), "previous")
    to = "previous" if kind == "previous" else f"{kind} {transfer[kind]}" if transfer[kind] else ""
    shown = {"to": [to], "mode": [transfer.get("mode", "exclusive")]}
    return {**shown, **_shown_length("reserve", transfer.get("reserve_minutes"))}


def _read_transfer(sent: RuleFields) -> dict[str, Any]:
    kind, _, id_ = _first(sent, "to").partition(" ")
    transfer: dict[str, Any] = {"previous": True} if kind == "previous" else {kind: id_} if kind else {}
    transfer["mode"] = _first(sent, "mode") or "exclusive"
    if transfer["mode"] == "exclusive":
        transfer.update(_read_length("reserve_minutes", "reserve", sent))
    return {"transfer": transfer}


def _show_mail(table: RuleRow) -> dict[str, list[str]]:
    mail = table.get("mail")
    if not mail:
        return {}
    return {
        "mail_to": ["\n".join(mail["to"])],
        "mail_subject": [mail.get("subject", "")],
        "mail_text": [mail.get("text", "")],
    }


def _read_mail(sent: RuleFields) -> dict[str, Any]:
    to = [each for line in _rows(sent, "mail_to") for each in line.replace(",", " ").replace(";", " ").split()]
    more = {"subject": _first(sent, "mail_subject"), "text": _first(sent, "mail_text")}
    return {"mail": {"to": to, **{key: value for key, value in more.items() if value}}}


def _show_template(table: RuleRow) -> dict[str, list[str]]:
    template = table.get("template")
    if not template:
        return {}
    parameters = [f"{name} = {text}" for name, text in (template.get("parameters") or {}).items()]
    return {
        "template": [f"{template['name']} {template['language']}".strip()],
        "template_parameters": ["\n".join(parameters)],
    }


def _read_template(sent: RuleFields) -> dict[str, Any]:
    pairs = (line.partition("=") for line in _rows(sent, "template_parameters"))
    parameters = {name.strip(): text.strip() for name, _, text in pairs}
    name, gap, language = _first(sent, "template").rpartition(" ")
    name, language = (name, language) if gap else (language, "")
    return {"template": {"name": name, "language": language, **({"parameters": parameters} if parameters else {})}}


_PARTS: Mapping[str, _Part] = {
    "name": _line("name"),
    "stop": _Part(
        ("stop",),
        ("stop",),
        lambda table: {"stop": ["1"] if table.get("stop", True) else []},
        lambda sent: {} if _first(sent, "stop") else {"stop": False},
    ),
    "numbers": _listed("numbers", "numbers"),
    "reasons": _listed("reasons", "reasons"),
    "alone": _length("alone_minutes", "alone"),
    "left": _length("left_minutes", "left"),
    "hours": _line("hours"),
    "words": _written("words", "words"),
    "languages": _listed("languages", "languages"),
    "returning": _Part(
        ("returning",), ("returning",), _show_returning, lambda sent: {"returning": _first(sent, "returning") == "yes"}
    ),
    "had": _listed("had_skillsets", "had"),
    "mail": _Part(("mail",), ("mail_to", "mail_subject", "mail_text"), _show_mail, _read_mail),
    "text": _line("text"),
    "template": _Part(("template",), ("template", "template_parameters"), _show_template, _read_template),
    "alarm": _line("alarm"),
    "transfer": _Part(("transfer",), ("to", "mode", "reserve", "reserve_unit"), _show_transfer, _read_transfer),
    "dismiss": _line("dismiss"),
}
