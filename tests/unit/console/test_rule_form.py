"""The form of a rule and the rule's table in the directory file say the same."""

from hypothesis import assume, given
from hypothesis import strategies as st

from console.rules.form import fields_of, part_at, table_of, with_part, without_part
from domain.directory_file.rule_tables import rule_table
from domain.rules.rule import Rule
from tests.unit.domain.directory_file.directories import rules

SOME = rules(["sales", "support"]).filter(bool)


def one(some: tuple[Rule, ...]) -> dict[str, object]:
    return rule_table(some[0])


def texts(value: object) -> list[str]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value] if isinstance(value, str) else [text for each in inner for text in texts(each)]


@given(SOME)
def test_a_form_that_comes_back_describes_the_same_rule(some: tuple[Rule, ...]) -> None:
    """Blanks around a text do not count."""
    table = one(some)
    assume(all(text == text.strip() for text in texts(table)))
    assert table_of(fields_of(table), {"id": table["id"], "on": table["on"]}) == (table, [])


@given(SOME, st.sampled_from(["\r\n", "\n"]))
def test_a_form_that_nobody_touched_changes_nothing(some: tuple[Rule, ...], end: str) -> None:
    """Browsers write the ends of lines in their own way."""
    table = one(some)
    sent = {name: [each.replace("\n", end) for each in values] for name, values in fields_of(table).items()}
    assert table_of(sent, table).table == table


def test_unusual_characters_stay_where_their_field_is_not_touched() -> None:
    table = {"id": "a", "name": " A ", "on": False, "text": "one\u2028two ", "alarm": "x"}
    edited = table_of({**fields_of(table), "alarm": ["night"]}, table).table
    assert edited == {**table, "alarm": "night"}


def test_a_condition_is_added_as_it_is_proposed_and_taken_out_again() -> None:
    table = {"id": "a", "name": "A", "on": False, "alarm": "night"}
    more = with_part(fields_of(table), "left")
    assert table_of(more, table).table == {**table, "left_minutes": 240}
    assert table_of(without_part(more, "left"), table).table == table


def test_a_condition_that_was_added_and_left_empty_is_said_instead_of_left_out() -> None:
    table = {"id": "a", "name": "A", "on": False, "alarm": "night"}
    edited = table_of(with_part(fields_of(table), "words"), table)
    assert [field for field, _ in edited.problems] == ["words"]


def test_what_is_no_number_reaches_the_validation_of_the_file() -> None:
    table = {"id": "a", "name": "A", "on": False, "alarm": "night", "alone_minutes": 10}
    edited = table_of({**fields_of(table), "alone": ["soon"]}, table).table
    assert (edited["alone_minutes"], part_at(("alone_minutes",))) == ("soon", "alone")


def test_hours_are_hours() -> None:
    table = {"id": "a", "name": "A", "on": False, "alarm": "night", "left_minutes": 240}
    assert (fields_of(table)["left"], fields_of(table)["left_unit"]) == (["4"], ["h"])
    edited = table_of({**fields_of(table), "left": ["3"]}, table).table
    assert edited["left_minutes"] == 180
