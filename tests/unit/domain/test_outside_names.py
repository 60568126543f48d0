"""Ids of ours in the spellings of other systems."""

from time import process_time

import pytest

from domain.outside_names import is_phone_number_id, known_name, trimmed


@pytest.mark.parametrize(
    "written", ["sales", " sales\t", "Sales", "SALES ", "sa\u200bles", "ｓａｌｅｓ", "\ufeffsales"]
)
def test_a_known_id_is_found_in_another_case_or_with_blanks(written: str) -> None:
    assert "sales" == known_name(written, ["support", "sales"])


def test_an_id_that_is_known_as_it_is_written_is_that_one() -> None:
    assert ["Sales", "sales"] == [known_name(name, ["sales", "Sales"]) for name in ("Sales", "sales")]


@pytest.mark.parametrize("written", ["SALES", "sale", ""])
def test_an_id_that_is_unknown_or_ambiguous_stays_as_it_is(written: str) -> None:
    assert written == known_name(written, ["sales", "Sales"])


def test_an_unknown_name_costs_little_however_many_are_known() -> None:
    """A thousand events of agents who are not in a directory of 5,000 took five seconds."""
    known = dict.fromkeys(f"agent.{n}" for n in range(5000))
    began = process_time()
    assert [f"nobody.{n}" for n in range(200)] == [known_name(f"nobody.{n}", known) for n in range(200)]
    assert process_time() - began < 0.5


def test_invisible_characters_and_blanks_around_a_name_are_removed() -> None:
    assert ["anna rossi", ""] == [trimmed("\u200e anna ro\u00adssi\u2003"), trimmed(" \u200b\ufeff ")]


def test_a_phone_number_id_is_not_a_phone() -> None:
    assert [True, False, False] == [is_phone_number_id(id_) for id_ in ("106540352242922", "+39 333", "")]
