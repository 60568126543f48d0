"""National variants of a phone number have one key, and other numbers have keys of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.phone_numbers import phone_key, split_ids, wa_id_of

DIGITS = st.text("0123456789", min_size=1, max_size=15)
AREAS = st.from_regex("[1-9][1-9]", fullmatch=True)
MOBILES = st.from_regex("[016-9][0-9]{7}", fullmatch=True)
TEN = st.from_regex("[0-9]{10}", fullmatch=True)


@given(DIGITS | st.text(max_size=20))
def test_the_key_of_a_key_is_itself(phone: str) -> None:
    assert phone_key(phone) == phone_key(phone_key(phone))


@given(AREAS, MOBILES)
def test_a_brazilian_mobile_has_one_key_with_and_without_its_ninth_digit(area: str, mobile: str) -> None:
    assert phone_key(f"55{area}{mobile}") == phone_key(f"55{area}9{mobile}")


@given(TEN)
def test_an_argentinian_and_a_mexican_mobile_have_one_key_with_and_without_their_mark(subscriber: str) -> None:
    assert phone_key(f"54{subscriber}") == phone_key(f"549{subscriber}")
    assert phone_key(f"52{subscriber}") == phone_key(f"521{subscriber}")


@given(DIGITS, DIGITS)
def test_two_phones_share_a_key_only_if_one_is_the_other_with_its_mark(one: str, other: str) -> None:
    if phone_key(one) == phone_key(other) and one != other:
        shorter, longer = sorted((one, other), key=len)
        assert (12, 13) == (len(shorter), len(longer))
        assert shorter in (longer[:2] + longer[3:], longer[:4] + longer[5:])


@pytest.mark.parametrize(
    "phone",
    [
        "16505551234",
        "447700900001",
        "5511987654321"[:11],  # too short
        "55119876543210",  # too long
        "5511887654321",  # thirteen digits, but no ninth 9
        "5501987654321",  # no area code begins with 0
        "551134567890",  # a landline
        "5511934567890",  # a mobile whose eight digits are a landline
        "53911987654321"[:13],
        "5491112345",
        "+5215512345678",
        "5215512345678\n",
        "٥٢١٥٥١٢٣٤٥٦٧٨",
        "US.5511987654321",
        "",
    ],
)
def test_anything_else_is_its_own_key(phone: str) -> None:
    assert phone == phone_key(phone)


@pytest.mark.parametrize(
    ("phone", "user_id", "apart"),
    [
        ("447700900001", None, ("447700900001", None)),
        ("447700900001", "GB.1", ("447700900001", "GB.1")),
        (None, "GB.1", (None, "GB.1")),
        ("GB.1", None, (None, "GB.1")),
        ("GB.ENT.1", "GB.1", (None, "GB.1")),
        (None, None, (None, None)),
    ],
)
def test_a_user_id_in_the_field_of_a_phone_is_a_user_id(
    phone: str | None, user_id: str | None, apart: tuple[str | None, str | None]
) -> None:
    assert apart == split_ids(phone, user_id)


@pytest.mark.parametrize(
    ("shown", "phone"),
    [
        ("+44 7700 900001", "447700900001"),
        ("1-555-123-4567", "15551234567"),
        ("(039) 02/345.678", "03902345678"),
        ("447700900001", "447700900001"),
        ("GB.1", "GB.1"),
        ("PHONE_NUMBER", "PHONE_NUMBER"),
        ("+", None),
        (None, None),
    ],
)
def test_a_formatted_phone_number_has_its_digits(shown: str | None, phone: str | None) -> None:
    assert phone == wa_id_of(shown)
