"""Checks whether a JSON Schema of the contract may replace an older version.

Readers that know only the old schema must understand new records, and readers that know the new schema must understand
records that were published long ago. So a published schema may only gain optional properties, and values where it
announces more (`x-extensible-enum`). An accepted schema may also become more tolerant, never less.
"""

from collections.abc import Iterator
from typing import Any, Literal

Schema = dict[str, Any]

_ANNOTATIONS = {"title", "description", "examples", "default", "$schema", "$defs", "x-extensible-enum"}
"""Keywords that do not affect validity."""
_LOWER = {"minimum", "exclusiveMinimum", "minLength", "minItems"}
_UPPER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems"}
_WALKED = {"properties", "required", "anyOf", "type", "enum", "const", "items"}


def breaks(before: Schema, after: Schema, direction: Literal["published", "accepted"]) -> list[str]:
    """Returns the changes that are not additive, one line each, e.g. `owner.state: no longer has "queued"`."""
    return list(_Comparison(before, after, direction == "accepted").of(before, after, ""))


class _Comparison:
    def __init__(self, before: Schema, after: Schema, may_widen: bool) -> None:
        self._before = before.get("$defs", {})
        self._after = after.get("$defs", {})
        self._may_widen = may_widen

    def of(self, before: Schema, after: Schema, path: str) -> Iterator[str]:
        before, after = _resolved(before, self._before), _resolved(after, self._after)
        if "anyOf" in before or "anyOf" in after:
            yield from self._alternatives(before, after, path)
            return
        yield from self._values(before, after, path)
        yield from self._properties(before, after, path)
        if "items" in before and "items" in after:
            yield from self.of(before["items"], after["items"], f"{path}[]")
        elif ("items" in before) != ("items" in after):
            yield from self._changed(path, "items", widened="items" in before)
        for keyword in sorted((before.keys() | after.keys()) - _ANNOTATIONS - _WALKED):
            yield from self._keyword(keyword, before.get(keyword), after.get(keyword), path)

    def _alternatives(self, before: Schema, after: Schema, path: str) -> Iterator[str]:
        """Compares alternatives with the same type."""
        known = {_kind(each): each for each in _alternatives(before, self._before)}
        now = {_kind(each): each for each in _alternatives(after, self._after)}
        yield from self._gained_or_lost(path, list(known), list(now))
        for kind in known.keys() & now.keys():
            yield from self.of(known[kind], now[kind], path)

    def _values(self, before: Schema, after: Schema, path: str) -> Iterator[str]:
        yield from self._gained_or_lost(path, _types(before), _types(after))
        known, now = _enumerated(before), _enumerated(after)
        if known is not None and now is not None:
            yield from self._gained_or_lost(path, known, now)
        elif known is not now:
            yield from self._changed(path, "the list of values", widened=now is None)
        growing = after.get("x-extensible-enum", [])
        for value in before.get("x-extensible-enum", []):
            if value not in growing:
                yield f'{path or "value"}: no longer has "{value}"'

    def _properties(self, before: Schema, after: Schema, path: str) -> Iterator[str]:
        known, now = before.get("properties", {}), after.get("properties", {})
        needed, needs = set(before.get("required", [])), set(after.get("required", []))
        for name in known:
            field = f"{path}.{name}" if path else name
            if name not in now:
                yield f"{field}: was removed"
            else:
                yield from self.of(known[name], now[name], field)
        for name in sorted(needs - needed):
            yield f"{f'{path}.{name}' if path else name}: became required"
        for name in sorted((needed - needs) & now.keys()):
            if not self._may_widen:
                yield f"{f'{path}.{name}' if path else name}: is no longer always present"

    def _keyword(self, keyword: str, before: object, after: object, path: str) -> Iterator[str]:
        if before == after:
            return
        widened = after is None
        if isinstance(before, int | float) and isinstance(after, int | float):
            widened = keyword in (_LOWER if after < before else _UPPER)
        known, now = _choices(before), _choices(after)
        if known and now:
            widened = known < now
        yield from self._changed(path, keyword, widened)

    def _gained_or_lost(self, path: str, before: list[Any], after: list[Any]) -> Iterator[str]:
        for value in before:
            if value not in after:
                yield f'{path or "value"}: no longer has "{value}"'
        for value in after:
            if value not in before and not self._may_widen:
                yield f'{path or "value"}: has "{value}", which readers do not know'

    def _changed(self, path: str, what: str, widened: bool) -> Iterator[str]:
        if not (widened and self._may_widen):
            yield f"{path or 'value'}: {what} changed"


def _choices(beyond: object) -> set[frozenset[str]]:
    """Returns the sets of properties of which a record needs exactly one, as the only rule in an `allOf`; empty: it has
    another rule."""
    match beyond:
        case [{"oneOf": list(choices), **others}] if not others:
            given = [each["required"] for each in choices if each.keys() == {"required"}]
            return {frozenset(names) for names in given} if len(given) == len(choices) else set()
        case _:
            return set()


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    while "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")] | beside
    return schema


def _alternatives(schema: Schema, definitions: Schema) -> list[Schema]:
    return [_resolved(each, definitions) for each in schema.get("anyOf", [schema])]


def _kind(schema: Schema) -> str:
    return "/".join(_types(schema))


def _types(schema: Schema) -> list[str]:
    given = schema.get("type", [])
    return [given] if isinstance(given, str) else list(given)


def _enumerated(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")
