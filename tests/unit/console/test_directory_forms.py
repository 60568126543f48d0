"""Forms of the directory: a form that nobody touched describes the same table, and what is typed becomes the file's
values."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.directory.forms import KINDS, TableKind, fields_of, form_of, table_of
from domain.directory import Directory
from domain.directory_file.difference import plain
from domain.directory_file.reader import directory_of
from domain.directory_file.toml_text import directory_document
from tests.unit.domain.directory_file.directories import directories

SHOP: dict[str, Any] = {
    "phone_number_id": "1",
    "name": "Shop",
    "time_zone": "UTC",
    "softbot": False,
    "hours": {"mon": ["09:00-13:00", "14:00-18:00"]},
    "menu": {"1": "sales", "2": "workshop"},
    "synonyms": {"1": ["buy", "sales"]},
    "texts": {"en": {"greeting": "Welcome!\n{menu}"}},
    "language": "en",
    "stop_words": ["basta così"],
}


def sent(kind: TableKind, table: Mapping[str, object], **changed: str | None) -> dict[str, str]:
    """What a browser sends of a form: no box that is not ticked, and line breaks of two characters."""
    values: dict[str, str | None] = {**form_of(kind, table), **{k.replace("__", "."): v for k, v in changed.items()}}
    return {name: text.replace("\n", "\r\n") for name, text in values.items() if text is not None}


def edited(kind: TableKind = "number", table: Mapping[str, object] = SHOP, **changed: str | None) -> dict[str, object]:
    """The keys that differ once the form is sent with these fields changed; underscores in pairs for dots."""
    after = table_of(kind, sent(kind, table, **changed), table).table
    return {key: value for key, value in after.items() if value != table.get(key)}


@given(directories(), st.sampled_from([0, 3, 7]))
def test_the_forms_of_any_directory_describe_the_same_directory(directory: Directory, rows: int) -> None:
    document = plain(directory_document(directory))
    back: dict[str, Any] = document | {  # rules have a page of their own
        kind: [table_of(kind, {**form_of(kind, each, rows), **sent(kind, each)}, each).table for each in document[kind]]
        for kind in KINDS
    }
    assert directory == directory_of(plain(back))


def test_a_table_that_is_typed_into_an_empty_form_is_what_was_typed() -> None:
    user = {
        "id": "zoe",
        "name": "Zoe",
        "email": "zoe@example.com",
        "level": "agent",
        "max_conversations": 3,
        "skillsets": ["sales", "workshop"],
    }
    assert user == table_of("user", sent("user", user), {}).table
    assert {**SHOP, "texts": SHOP["texts"]} == table_of("number", sent("number", SHOP), {}).table | {"softbot": False}


def test_hours_are_typed_as_in_the_file() -> None:
    expected = {"hours": {"mon": ["09:00-19:00"], "tue": ["9:00-13:00", "14:00-18:00"]}}
    assert expected == edited(hours__mon="09:00-19:00", hours__tue="9:00-13:00; 14:00-18:00")
    assert {"hours": None} == edited(hours__mon="")


def test_choices_of_the_menu_are_changed_added_and_removed_with_their_other_words() -> None:
    assert {"menu": {"1": "sales"}} == edited(menu__1__choice="", menu__1__skillset="")
    assert {
        "menu": {"1": "sales", "2": "workshop", "3": "sales"},
        "synonyms": {"1": ["buy", "sales"], "3": ["rent"]},
    } == (edited(menu__2__choice="3", menu__2__skillset="sales", menu__2__words="rent"))
    assert {"synonyms": None} == edited(menu__0__words="")


def test_the_same_choice_twice_is_a_problem_of_the_second_row() -> None:
    form = sent("number", SHOP, menu__1__choice="1")
    assert [(("menu", "1", 1), 'menu: "1" and "1" are the same choice; keep one of them')] == list(
        table_of("number", form, SHOP).problems
    )


def test_boxes_lists_and_texts_are_read() -> None:
    assert {"softbot": True} == edited(softbot="1")
    assert {"stop_words": ["baja", "alto"]} == edited(stop_words="baja\n\n alto ")
    assert {"texts": {"en": {"greeting": "Hello"}, "it": {"greeting": "Ciao"}}} == edited(
        texts__en__greeting="Hello ", texts__it__greeting="Ciao"
    )


def test_days_are_whole_numbers_or_stay_texts_so_that_their_problem_is_named() -> None:
    assert {"retention": {"messages": 90, "media": "a week"}} == edited(
        retention__messages=" 90 ", retention__media="a week"
    )
    kept = {**SHOP, "retention": {"messages": 90, "history": 365}}
    assert {"retention": {"history": 365}} == edited("number", kept, retention__messages="")
    assert {"retention": None} == edited("number", kept, retention__messages="", retention__history="")


def test_a_time_zone_is_found_by_its_city() -> None:
    assert {"time_zone": "Europe/Rome"} == edited(time_zone="Roma")
    assert {"time_zone": "Nowhere"} == edited(time_zone="Nowhere")


def test_a_count_that_is_none_stays_a_text_so_that_its_problem_is_named() -> None:
    user = {"id": "anna", "max_conversations": 3}
    assert {"max_conversations": 5} == edited("user", user, max_conversations=" 5 ")
    assert {"max_conversations": "five"} == edited("user", user, max_conversations="five")


def test_the_id_of_a_table_that_is_there_cannot_be_changed_by_a_form() -> None:
    assert {} == edited(phone_number_id="2")
    assert "2" == table_of("number", {"phone_number_id": "2"}, {}).table["phone_number_id"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_of_the_file_can_be_edited(kind: TableKind) -> None:
    """Also those that other subjects add: a list of texts is edited one a line, the rest as text."""
    assert {"lines", "text"} >= {field.widget for field in fields_of(kind) if field.key == "words"}
    assert fields_of(kind)
