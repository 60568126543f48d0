"""What differs between two directories, in words; and an edit on top of what somebody else changed."""

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.directory_file.difference import FieldConflict, carry_over, differences
from domain.directory_file.toml_text import directory_document
from domain.directory_file.wording import lines
from tests.unit.domain.directory_file.directories import directories

SHOP: dict[str, Any] = {
    "skillset": [{"id": "sales", "name": "Sales"}, {"id": "workshop", "name": "Workshop"}],
    "user": [
        {"id": "anna", "name": "Anna Rossi", "email": "a@example.com", "max_conversations": 3, "skillsets": ["sales"]}
    ],
    "number": [
        {
            "phone_number_id": "1",
            "name": "Shop line",
            "softbot": False,
            "hours": {"mon": ["09:00-18:00"]},
            "menu": {"1": "sales"},
        }
    ],
}


def changed(kind: str, id_: str, **fields: Any) -> dict[str, Any]:
    """The shop with other fields of one table."""
    shop = deepcopy(SHOP)
    for table in shop[kind]:
        if id_ in (table.get("id"), table.get("phone_number_id")):
            table.update(fields)
    return shop


def without(kind: str, id_: str) -> dict[str, Any]:
    return {**SHOP, kind: [each for each in SHOP[kind] if id_ not in (each.get("id"), each.get("phone_number_id"))]}


def said(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [line for change in differences(before, after) for line in lines(change)]


def test_changed_hours_are_said_with_their_day() -> None:
    after = changed("number", "1", hours={"mon": ["09:00-19:00"], "tue": ["09:00-13:00", "14:00-18:00"]})
    assert [
        "Shop line: hours of Monday 09:00-18:00 -> 09:00-19:00",
        "Shop line: hours of Tuesday none -> 09:00-13:00, 14:00-18:00",
    ] == said(SHOP, after)


def test_menus_capacities_and_a_softbot_are_said_in_words() -> None:
    assert ['Shop line: menu entry "2" none -> workshop', "Shop line: Softbot no -> yes"] == sorted(
        said(SHOP, changed("number", "1", menu={"1": "sales", "2": "workshop"}, softbot=True)), key=len, reverse=True
    )
    assert ["Anna Rossi: conversations at once 3 -> 5"] == said(SHOP, changed("user", "anna", max_conversations=5))


def test_tables_that_were_added_or_removed_are_said_once() -> None:
    assert ["User Anna Rossi: removed"] == said(SHOP, without("user", "anna"))
    assert ["User Anna Rossi: added"] == said(without("user", "anna"), SHOP)


def test_nothing_missing_and_empty_are_no_difference() -> None:
    assert [] == said(
        SHOP, changed("number", "1", texts=None, synonyms={}, stop_words=[], hours={"mon": ["09:00-18:00"], "tue": []})
    )


def test_kinds_and_fields_that_this_version_does_not_know_are_named_as_in_the_file() -> None:
    """Other subjects add kinds and fields to the directory; versions from then on are still compared."""
    before = {"spaceship": [{"id": "a", "name": "A", "warp": {"factor": 1}}]}
    after = {"spaceship": [{"id": "a", "name": "A", "warp": {"factor": 2}}, {"id": "b", "name": "B"}]}
    assert ["A: warp.factor 1 -> 2", "Spaceship B: added"] == said(before, after)


def test_another_order_of_the_same_tables_is_a_difference_where_order_counts() -> None:
    first, second = {"id": "a", "name": "A"}, {"id": "b", "name": "B"}
    assert ["Spaceship: another order"] == said({"spaceship": [first, second]}, {"spaceship": [second, first]})
    assert ["Spaceship A: removed"] == said({"spaceship": [first, second]}, {"spaceship": [second]})


def test_two_people_who_changed_different_things_both_get_theirs() -> None:
    mine = changed("number", "1", hours={"mon": ["09:00-19:00"]})
    theirs = changed("number", "1", name="Shop", hours={"mon": ["09:00-18:00"], "tue": ["10:00-12:00"]})
    carried = carry_over(SHOP, mine, theirs)
    assert () == carried.conflicts
    (number,) = carried.document["number"]
    assert ("Shop", {"mon": ["09:00-19:00"], "tue": ["10:00-12:00"]}) == (number["name"], number["hours"])


def test_where_both_changed_the_same_the_edit_wins_and_it_is_said() -> None:
    mine = changed("user", "anna", max_conversations=5)
    theirs = changed("user", "anna", max_conversations=1, name="Anna R.")
    carried = carry_over(SHOP, mine, theirs)
    assert (FieldConflict("user", "anna", "Anna Rossi", ("max_conversations",), 5, 1),) == carried.conflicts
    assert (5, "Anna R.") == tuple(carried.document["user"][0][key] for key in ("max_conversations", "name"))


def test_an_edit_of_what_somebody_removed_brings_it_back_and_it_is_said() -> None:
    carried = carry_over(SHOP, changed("user", "anna", max_conversations=5), without("user", "anna"))
    assert [5] == [user["max_conversations"] for user in carried.document["user"]]
    assert [("user", "anna", ())] == [(each.kind, each.id, each.path) for each in carried.conflicts]


def test_removing_what_somebody_changed_is_said() -> None:
    theirs = changed("user", "anna", name="Anna Maria")
    carried = carry_over(SHOP, without("user", "anna"), theirs)
    assert ([], 1) == (carried.document["user"], len(carried.conflicts))
    assert () == carry_over(SHOP, without("user", "anna"), without("user", "anna")).conflicts


def test_an_edit_that_both_made_alike_is_no_conflict() -> None:
    both = changed("user", "anna", max_conversations=5)
    assert () == carry_over(SHOP, both, both).conflicts


def test_a_new_order_is_carried_over_to_the_tables_that_are_there() -> None:
    a, b, c = ({"id": each, "name": each} for each in "abc")
    carried = carry_over({"rule": [a, b]}, {"rule": [b, a]}, {"rule": [a, b, c]})
    assert ["b", "c", "a"] == [rule["id"] for rule in carried.document["rule"]]
    between = carry_over({"rule": [a, c]}, {"rule": [a, b, c]}, {"rule": [a, c]})
    assert ["a", "b", "c"] == [rule["id"] for rule in between.document["rule"]]


@given(directories(), directories())
def test_carrying_an_edit_over_to_what_it_began_with_gives_the_edit(base: Any, mine: Any) -> None:
    before, after = directory_document(base), directory_document(mine)
    carried = carry_over(before, after, before)
    assert ([], ()) == (differences(after, carried.document), carried.conflicts)


@given(directories(), directories())
def test_an_edit_that_changes_nothing_leaves_what_others_did(base: Any, theirs: Any) -> None:
    before, after = directory_document(base), directory_document(theirs)
    carried = carry_over(before, before, after)
    assert ([], ()) == (differences(after, carried.document), carried.conflicts)


@given(directories(), st.data())
def test_every_difference_is_a_plain_value(directory: Any, data: st.DataObject) -> None:
    """They are shown and stored as JSON."""
    other = data.draw(directories())
    for change in differences(directory_document(directory), directory_document(other)):
        assert lines(change)
        json.dumps(change)
