"""Changes of a schema are checked for compatibility with its readers and writers (domain/contract/channels.py)."""

from typing import Any, Literal

import pytest

from witiop.contract.compatibility import breaks

Change = dict[str, Any]
Direction = Literal["published", "accepted"]

OWNER = {"type": "object", "properties": {"state": {"enum": ["queued", "assigned"]}}, "required": ["state"]}
BEFORE: Change = {
    "$defs": {"Owner": OWNER},
    "type": "object",
    "properties": {
        "id": {"type": "string", "maxLength": 9},
        "note": {"type": "string"},
        "reason": {"anyOf": [{"type": "string", "x-extensible-enum": ["a", "b"]}, {"type": "null"}]},
        "owner": {"anyOf": [{"$ref": "#/$defs/Owner"}, {"type": "null"}]},
        "list": {"type": "array", "items": {"type": "integer", "minimum": 1}},
    },
    "required": ["id"],
}


def after(**properties: Any) -> Change:
    """Returns the schema with changed properties; None removes one."""
    changed = {**BEFORE["properties"], **properties}
    return BEFORE | {"properties": {name: value for name, value in changed.items() if value is not None}}


def state(*values: str) -> Change:
    return BEFORE | {"$defs": {"Owner": OWNER | {"properties": {"state": {"enum": list(values)}}}}}


BOTH: tuple[Direction, ...] = ("published", "accepted")


@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (after(note=None), "note: was removed"),
        (after(id=None), "id: was removed"),
        (BEFORE | {"required": ["id", "note"]}, "note: became required"),
        (after(new={"type": "string"}) | {"required": ["id", "new"]}, "new: became required"),
        (after(id={"type": "string", "maxLength": 8}), "id: maxLength changed"),
        (after(id={"type": "string", "maxLength": 9, "pattern": "x"}), "id: pattern changed"),
        (after(list={"type": "array", "items": {"type": "integer", "minimum": 2}}), "list[]: minimum changed"),
        (after(note={"type": "string", "const": "x"}), "note: the list of values changed"),
        (after(reason={"type": "string", "x-extensible-enum": ["a", "b"]}), 'reason: no longer has "null"'),
        (
            after(reason={"anyOf": [{"type": "string", "x-extensible-enum": ["b"]}, {"type": "null"}]}),
            'reason: no longer has "a"',
        ),
        (state("assigned"), 'owner.state: no longer has "queued"'),
        (BEFORE | {"additionalProperties": False}, "value: additionalProperties changed"),
    ],
)
def test_removals_and_new_requirements_break_writers_and_readers(
    direction: Direction, changed: Change, message: str
) -> None:
    assert [message] == breaks(BEFORE, changed, direction)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (state("queued", "assigned", "lost"), 'owner.state: has "lost", which readers do not know'),
        (BEFORE | {"required": []}, "id: is no longer always present"),
        (after(id={"type": "string"}), "id: maxLength changed"),
        (after(id={"type": "string", "maxLength": 10}), "id: maxLength changed"),
        (after(list={"type": "array", "items": {"type": "integer"}}), "list[]: minimum changed"),
        (
            after(note={"anyOf": [{"type": "string"}, {"type": "null"}]}),
            'note: has "null", which readers do not know',
        ),
    ],
)
def test_more_tolerance_is_additive_in_accepted_schemas_and_breaks_readers_of_published_ones(
    changed: Change, message: str
) -> None:
    assert [message] == breaks(BEFORE, changed, "published")
    assert [] == breaks(BEFORE, changed, "accepted")


@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize(
    "changed",
    [
        BEFORE,
        after(new={"type": "string"}),
        after(reason={"anyOf": [{"type": "null"}, {"type": "string", "x-extensible-enum": ["c", "b", "a"]}]}),
        after(note={"type": "string", "description": "worded better"}),
    ],
)
def test_optional_properties_announced_values_and_descriptions_are_additive(
    direction: Direction, changed: Change
) -> None:
    assert [] == breaks(BEFORE, changed, direction)
