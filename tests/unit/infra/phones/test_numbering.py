"""Whom a cell names: phones as people and spreadsheet programs write them, of every country."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.files.addresses import ReadAddress, read_address
from domain.campaigns.files.cells import CellError, FileCell
from domain.campaigns.recipients import ROW_PROBLEMS
from infra.phones.numbering import GoogleNumberingPlan, country_of_number

ITALY, BRITAIN, BRAZIL, NOWHERE = (GoogleNumberingPlan(country) for country in ("IT", "GB", "BR", None))


@pytest.mark.parametrize(
    ("cell", "plan", "address"),
    [
        ("+39 333 123 4567", NOWHERE, "393331234567"),
        ("0039 333 1234567", NOWHERE, "393331234567"),
        ("+44 (0) 7700 900123", NOWHERE, "447700900123"),
        ("+\u0664\u0664\u0667\u0667\u0660\u0660\u0669\u0660\u0660\u0661\u0662\u0663", NOWHERE, "447700900123"),
        ("\u0663\u0663\u0663\u0661\u0662\u0663\u0664\u0665\u0666\u0667", ITALY, "393331234567"),
        ("whatsapp:+16505550001", ITALY, "16505550001"),
        ("tel:06 1234 5678", ITALY, "390612345678"),
        ("333 123 4567", ITALY, "393331234567"),
        ("06 12345678", ITALY, "390612345678"),
        ("07700 900123", BRITAIN, "447700900123"),
        ("393331234567", ITALY, "393331234567"),  # has its country code already
        ("447700900123", ITALY, "447700900123"),  # of another country
        ("393331234567", NOWHERE, "393331234567"),
        ("11 91234-5678", BRAZIL, "5511912345678"),
        ("+5215512345678", NOWHERE, "5215512345678"),  # the plan of Mexico has no 1 any more
        ("393331234567.0", ITALY, "393331234567"),
        (393331234567.0, ITALY, "393331234567"),
        (3331234567, ITALY, "393331234567"),
        (612345678.0, ITALY, "390612345678"),  # its zero was lost, but only one number can be meant
        (7700900123.0, BRITAIN, "447700900123"),
        (393331234567.0, NOWHERE, "393331234567"),
    ],
)
def test_a_phone_is_read_in_any_usual_form(cell: FileCell, plan: GoogleNumberingPlan, address: str) -> None:
    read = read_address(cell, plan)
    assert isinstance(read, ReadAddress)
    assert (address, "phone") == (read.address, read.kind)


@pytest.mark.parametrize(
    ("cell", "plan", "problem"),
    [
        (None, ITALY, "phone_missing"),
        ("  ", ITALY, "phone_missing"),
        ("4.4770090E+11", ITALY, "phone_is_a_number"),
        ("4,4770090E+11", ITALY, "phone_is_a_number"),
        (4.4770090012345678e20, ITALY, "phone_is_a_number"),  # its last digits are lost
        (12.5, ITALY, "phone_is_a_number"),
        (-393331234567.0, ITALY, "phone_is_a_number"),
        (date(2026, 11, 30), ITALY, "phone_is_a_number"),
        (float("nan"), ITALY, "phone_is_a_number"),
        (float("inf"), ITALY, "phone_is_a_number"),
        (612345678.0, NOWHERE, "phone_without_country"),  # a zero may have been lost
        ("3331234567", NOWHERE, "phone_without_country"),
        ("07700 900123", NOWHERE, "phone_without_country"),
        ("12", ITALY, "phone_invalid"),
        ("+12", NOWHERE, "phone_invalid"),
        ("+39333", ITALY, "phone_invalid"),
        ("+3933312345678901", ITALY, "phone_invalid"),
        ("n.a.", ITALY, "phone_invalid"),
        ("333 1234567 / 347 7654321", ITALY, "phone_invalid"),
        (True, ITALY, "phone_invalid"),
        (CellError("#N/A"), ITALY, "cell_error"),
    ],
)
def test_what_is_wrong_with_a_phone_is_named(cell: FileCell, plan: GoogleNumberingPlan, problem: str) -> None:
    assert problem == read_address(cell, plan)


def test_a_user_id_is_read_where_a_phone_stands() -> None:
    """Customers who hide their phone have one."""
    read = read_address(" US.13491208655302741918 ", ITALY)
    assert ReadAddress("US.13491208655302741918", "user_id", "US.13491208655302741918") == read


def test_national_variants_are_one_person() -> None:
    with_ninth, without = read_address("+5511912345678", NOWHERE), read_address("11 1234-5678", BRAZIL)
    assert isinstance(with_ninth, ReadAddress)
    assert isinstance(without, ReadAddress)
    assert with_ninth.key == without.key


@given(st.text(max_size=40) | st.floats() | st.integers() | st.booleans(), st.sampled_from([ITALY, BRITAIN, NOWHERE]))
def test_any_cell_names_somebody_or_has_a_problem(cell: FileCell, plan: GoogleNumberingPlan) -> None:
    """What is named consists of digits that Meta takes."""
    read = read_address(cell, plan)
    if isinstance(read, str):
        assert read in ROW_PROBLEMS
    elif read.kind == "phone":
        assert read.address.isdigit()
        assert read.address.isascii()
        assert 5 <= len(read.address) <= 17


@given(st.integers(3_330_000_000, 3_339_999_999), st.sampled_from(["", "+39", "0039", "39"]))
def test_a_number_and_a_text_of_the_same_digits_are_one_phone(national: int, prefix: str) -> None:
    as_text = read_address(f"{prefix}{national}", ITALY)
    as_number = read_address(float(national), ITALY)
    assert isinstance(as_text, ReadAddress)
    assert isinstance(as_number, ReadAddress)
    assert as_text.key == as_number.key


@pytest.mark.parametrize(
    ("phone", "country"),
    [
        ("+1 650 555 0000", "US"),
        ("+39 02 1234567", "IT"),
        ("393331234567", "IT"),
        ("+1 555-123-4567", "US"),
        ("", None),
    ],
)
def test_a_business_number_has_a_country(phone: str, country: str | None) -> None:
    """Also the numbers that Meta gives for tests, which do not exist."""
    assert country == country_of_number(phone)
