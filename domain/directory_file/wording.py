"""Differences of the directory as sentences: "Workshop: hours of Monday 09:00-18:00 -> 09:00-19:00"."""

from collections.abc import Callable, Mapping

from domain.contract.texts import gettext_noop
from domain.directory_file.difference import FieldPath, TableChange
from domain.directory_file.tables import quoted

_Translate = Callable[[str], str]

KINDS: Mapping[str, str] = {
    "number": gettext_noop("number"),
    "skillset": gettext_noop("skillset"),
    "user": gettext_noop("user"),
    "rule": gettext_noop("rule"),
}
DAYS: Mapping[str, str] = {
    "mon": gettext_noop("Monday"),
    "tue": gettext_noop("Tuesday"),
    "wed": gettext_noop("Wednesday"),
    "thu": gettext_noop("Thursday"),
    "fri": gettext_noop("Friday"),
    "sat": gettext_noop("Saturday"),
    "sun": gettext_noop("Sunday"),
}
TEXT_KINDS: Mapping[str, str] = {
    "greeting": gettext_noop("Greeting"),
    "wrong_choice": gettext_noop("Answer to a wrong choice"),
    "out_of_hours": gettext_noop("Answer when it is closed"),
    "opted_out": gettext_noop("Answer to an opt-out"),
    "opted_in": gettext_noop("Answer to an opt-in"),
}
_FIELDS: Mapping[str, str] = {
    "phone_number_id": gettext_noop("phone number ID"),
    "id": gettext_noop("ID"),
    "name": gettext_noop("name"),
    "time_zone": gettext_noop("time zone"),
    "softbot": gettext_noop("Softbot"),
    "language": gettext_noop("language"),
    "stop_words": gettext_noop("stop words"),
    "start_words": gettext_noop("start words"),
    "email": gettext_noop("email"),
    "level": gettext_noop("level"),
    "max_conversations": gettext_noop("conversations at once"),
    "skillsets": gettext_noop("skillsets"),
    "words": gettext_noop("words"),
    "order": gettext_noop("order"),
    "retention": gettext_noop("what is removed after how many days"),
}
_INNER: Mapping[str, str] = {
    "hours": gettext_noop("hours of {what}"),
    "menu": gettext_noop("menu entry {what}"),
    "synonyms": gettext_noop("other words for {what}"),
    "texts": gettext_noop("text {what}"),
    "retention": gettext_noop("how long {what} are kept"),
}
RETAINED: Mapping[str, str] = {
    "messages": gettext_noop("messages"),
    "media": gettext_noop("files"),
    "mails": gettext_noop("mails"),
    "history": gettext_noop("conversations"),
    "audit": gettext_noop("entries of the audit log"),
}
RETENTION_HINTS: Mapping[str, str] = {
    "messages": gettext_noop("what was written, after the conversation ended; at least 8"),
    "media": gettext_noop("after they came; at the latest with their messages"),
    "mails": gettext_noop("after they were requested; empty: as long as messages"),
    "history": gettext_noop("all of a conversation, after it ended; at least as long as messages"),
    "audit": gettext_noop("after they were written"),
}
_ACTIONS = {
    "added": gettext_noop("{kind} {name}: added"),
    "removed": gettext_noop("{kind} {name}: removed"),
    "reordered": gettext_noop("{kind}: another order"),
}


def field_name(path: FieldPath, translate: _Translate = str) -> str:
    """Returns what people call a field; a key that has no name is named as in the file."""
    if len(path) > 1 and path[0] in _INNER:
        inner = [translate({**DAYS, **TEXT_KINDS, **RETAINED}.get(key, key)) for key in path[1:]]
        what = quoted(path[1]) if path[0] in ("menu", "synonyms") else " ".join(inner)
        return translate(_INNER[path[0]]).replace("{what}", what)
    return translate(_FIELDS.get(path[0], path[0])) if len(path) == 1 else ".".join(path)


def value_text(value: object, translate: _Translate = str) -> str:
    """Returns a value as people read it."""
    match value:
        case None:
            return translate(gettext_noop("none"))
        case bool():
            return translate(gettext_noop("yes") if value else gettext_noop("no"))
        case list():
            return ", ".join(value_text(each, translate) for each in value)
        case Mapping():
            return ", ".join(f"{key} = {value_text(inner, translate)}" for key, inner in value.items())
        case _:
            return str(value)


def heading(change: TableChange, translate: _Translate = str) -> str:
    """Returns which table it is about, and whether it was added or removed."""
    kind = translate(KINDS.get(change.kind, change.kind))
    if change.action == "changed":
        return change.name
    text = translate(_ACTIONS[change.action]).replace("{kind}", kind)
    text = text[:1].upper() + text[1:]
    return text.replace("{name}", change.name)


def lines(change: TableChange, translate: _Translate = str) -> list[str]:
    """Returns a change as lines without a table: one for each field that was changed."""
    if change.action != "changed":
        return [heading(change, translate)]
    return [
        f"{change.name}: {field_name(each.path, translate)} "
        f"{value_text(each.before, translate)} -> {value_text(each.after, translate)}"
        for each in change.fields
    ]
