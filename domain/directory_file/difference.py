"""Differences between two directories, and an edit carried over to a directory that somebody else changed meanwhile.

Works on documents (`domain.directory_file.toml_text`), whatever kinds of tables they have. A missing key, None and
something empty are the same."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from domain.directory_file.reader import KEY_OF, InvalidDirectory, parse_directory, parse_document
from domain.directory_file.toml_text import directory_document

Document = Mapping[str, Sequence[Mapping[str, object]]]
"""Tables by kind."""
FieldPath = tuple[str, ...]
"""Keys of a table from the top, e.g. `("hours", "mon")`."""

ORDER: FieldPath = ("order",)
"""Path of the change of a kind whose tables have another order."""


class FieldChange(NamedTuple):
    """A value of a table that differs; None: it has none."""

    path: FieldPath
    before: object
    after: object


class TableChange(NamedTuple):
    """A table that differs. `name`: what people call it; `fields`: of a table that was added or removed, all it has.
    `reordered`: the tables of a kind have another order; `id` is empty."""

    action: Literal["added", "changed", "removed", "reordered"]
    kind: str
    id: str
    name: str
    fields: tuple[FieldChange, ...]


class FieldConflict(NamedTuple):
    """A value that two people changed differently. `theirs`: by the other one; an empty path: the whole table."""

    kind: str
    id: str
    name: str
    path: FieldPath
    mine: object
    theirs: object


class CarriedOver(NamedTuple):
    """An edit on top of what somebody else changed meanwhile; in `conflicts` the edit has won."""

    document: dict[str, list[dict[str, object]]]
    conflicts: tuple[FieldConflict, ...]


def key_of(kind: str) -> str:
    """Returns the key that identifies tables of a kind."""
    return KEY_OF.get(kind, "id")


def document_of(text: str) -> Document:
    """Returns the tables of a version's text, with everything that this product knows of them, so that texts of other
    products' versions can be compared. Raises InvalidDirectory if it is not TOML."""
    try:
        return directory_document(parse_directory(text))
    except InvalidDirectory:
        return parse_document(text)


def plain(document: Document) -> dict[str, list[dict[str, object]]]:
    """Returns a document as `directory_of` reads it: without what is missing or empty, and with lists for tuples."""
    return {kind: [_plain(table) for table in tables] for kind, tables in document.items()}


def differences(before: Document, after: Document) -> list[TableChange]:
    """Returns what differs, by kind and in the order of the tables."""
    return [change for kind in _kinds(before, after) for change in _of_kind(kind, before, after)]


def carry_over(base: Document, mine: Document, theirs: Document) -> CarriedOver:
    """Returns `theirs` with the changes that lead from `base` to `mine`."""
    conflicts: list[FieldConflict] = []
    merged = {kind: _by_id(kind, theirs) for kind in _kinds(theirs, mine)}
    for change in differences(base, mine):
        tables, kind, id_ = merged[change.kind], change.kind, change.id
        if change.action == "reordered":
            continue
        was, now = _by_id(kind, base).get(id_), tables.get(id_)
        changed_by_them = {each.path: each.after for each in _fields(was or {}, now or {})}
        mine_whole = _by_id(kind, mine).get(id_)
        if change.action == "removed" or now is None or was is None:
            if changed_by_them and now != mine_whole:
                conflicts.append(FieldConflict(kind, id_, change.name, (), mine_whole, now))
            if mine_whole is None:
                tables.pop(id_, None)
            else:
                tables[id_] = mine_whole
            continue
        for each in change.fields:
            if each.path in changed_by_them and changed_by_them[each.path] != each.after:
                found = changed_by_them[each.path]
                conflicts.append(FieldConflict(kind, id_, change.name, each.path, each.after, found))
            tables[id_] = _with(tables[id_], each.path, each.after)
    for kind, tables in merged.items():
        base_order, order = list(_by_id(kind, base)), list(_by_id(kind, mine))
        if order != [id_ for id_ in base_order if id_ in order]:
            merged[kind] = {id_: tables[id_] for id_ in _order(order, list(_by_id(kind, theirs))) if id_ in tables}
    return CarriedOver({kind: list(tables.values()) for kind, tables in merged.items()}, tuple(conflicts))


def _order(mine: list[str], theirs: list[str]) -> list[str]:
    """Returns my order, with each table that only the others have behind the one that it follows there."""
    order = list(mine)
    for place, id_ in enumerate(theirs):
        if id_ not in mine:
            order.insert(order.index(theirs[place - 1]) + 1 if place and theirs[place - 1] in order else 0, id_)
    return order


def _kinds(*documents: Document) -> list[str]:
    return list(dict.fromkeys(kind for document in documents for kind in document))


def _of_kind(kind: str, before: Document, after: Document) -> Iterator[TableChange]:
    old, new = _by_id(kind, before), _by_id(kind, after)
    for id_ in dict.fromkeys((*new, *old)):
        fields = tuple(_fields(old.get(id_, {}), new.get(id_, {})))
        name = str((new.get(id_) or old[id_]).get("name") or id_)
        if id_ not in new:
            yield TableChange("removed", kind, id_, name, fields)
        elif id_ not in old:
            yield TableChange("added", kind, id_, name, fields)
        elif fields:
            yield TableChange("changed", kind, id_, name, fields)
    orders = [id_ for id_ in old if id_ in new], [id_ for id_ in new if id_ in old]
    if orders[0] != orders[1]:
        yield TableChange("reordered", kind, "", "", (FieldChange(ORDER, *orders),))


def _by_id(kind: str, document: Document) -> dict[str, dict[str, object]]:
    key = key_of(kind)
    return {str(table[key]): _plain(table) for table in document.get(kind, ())}


def _fields(before: Mapping[str, object], after: Mapping[str, object], path: FieldPath = ()) -> Iterator[FieldChange]:
    for key in dict.fromkeys((*after, *before)):
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) or isinstance(new, Mapping):
            was, now = (value if isinstance(value, Mapping) else {} for value in (old, new))
            yield from _fields(was, now, (*path, key))
        elif old != new:
            yield FieldChange((*path, key), old, new)


def _with(table: Mapping[str, object], path: FieldPath, value: object) -> dict[str, object]:
    """Returns a table with another value at a path; None: without it."""
    key, rest = path[0], path[1:]
    inner = table.get(key)
    if rest:
        value = _with(inner if isinstance(inner, Mapping) else {}, rest, value)
    return _plain({**table, key: value})


def _plain(table: Mapping[str, object]) -> dict[str, object]:
    """Returns a table without what is missing or empty, and with lists for tuples."""
    return {key: value for key, found in table.items() if not _is_empty(value := _plain_value(found))}


def _plain_value(value: object) -> object:
    if isinstance(value, Mapping):
        return _plain(value)
    return [_plain_value(each) for each in value] if isinstance(value, list | tuple) else value


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, dict | list) and not value)
