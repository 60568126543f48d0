"""National variants of a phone number have one key, and other numbers have keys of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.phone_numbers import phone_key, read_phone, split_ids

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
        ("+44 7700 900001", None, ("447700900001", None)),
        ("wa.me/447700900001", None, ("447700900001", None)),
        ("not a phone", None, ("not a phone", None)),
    ],
)
def test_a_user_id_in_the_field_of_a_phone_is_a_user_id(
    phone: str | None, user_id: str | None, apart: tuple[str | None, str | None]
) -> None:
    assert apart == split_ids(phone, user_id)


SPELLINGS = [
    "[+39] 336 900 0104",
    "+39_336_900_0104",
    "whatsapp://send?phone=393369000104",
    "https://api.whatsapp.com/send?phone=%2B393369000104&text=hi",
    "'+393369000104",
    '"+39 336 900 0104"',
    "39 336 900 0104,",
    "393369000104.0",  # from a spreadsheet
    "+393369000104",
    "00393369000104",
    "+39 336 900 0104",
    "0039 336.900.01.04",
    "(+39) 336-900-0104",
    "+39 (0)336 9000104",
    "+39\u00a0336\u202f9000104",
    "\u202a+39 336 9000104\u202c",
    "393369000104 ",
    "\ufeff39336\u200b9000104",
    "39336–900—0104",
    "+39 / 336 / 9000104",
    "＋３９３３６９０００１０４",
    "٣٩٣٣٦٩٠٠٠١٠٤",
    "whatsapp:+393369000104",
    "WhatsApp: +39 336 9000104",
    "393369000104@s.whatsapp.net",
    "393369000104:3@s.whatsapp.net",
    "393369000104.0:12@s.whatsapp.net",
    "393369000104@c.us",
    "393369000104:3",
    "tel:+39-336-900-0104",
    "tel:+39.336.9000104;ext=12",
    "tel:336-900-0104;phone-context=+39",
    "https://wa.me/393369000104?text=Ciao",
    "https://api.whatsapp.com/send?phone=393369000104&text=Ciao",
]


@pytest.mark.parametrize("written", SPELLINGS)
def test_a_phone_is_read_in_every_usual_spelling(written: str) -> None:
    assert "393369000104" == read_phone(written)


@pytest.mark.parametrize(
    ("written", "phone"),
    [
        ("+44 (0)7700 900103", "447700900103"),
        ("+49 (0) 30 901820", "4930901820"),
        ("+39 (0)6 69812345", "390669812345"),
        ("1-555-123-4567", "15551234567"),
        ("+1 (650) 555-1234", "16505551234"),
        ("336.900.0104@c.us", "3369000104"),
    ],
)
def test_the_zero_before_an_area_code_stays_only_where_it_is_part_of_the_number(written: str, phone: str) -> None:
    assert phone == read_phone(written)


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "+", "00", "39", "0336 9000104", "011 39 336 9000104", "+39 336 900 010 400 000", "+0039336900010"),
        *("anna", "336 900 x", "GB.1", "PHONE_NUMBER", "393369000104@g.us", "393369000104@lid", "39336+9000104"),
        *("393369000104, 393369000105", "½39336900010", "٣" * 16, "tel:336-900-0104;phone-context=example.com" * 9),
    ],
)
def test_what_is_not_a_phone_with_its_country_code_is_not_read(written: str) -> None:
    assert read_phone(written) is None


@given(st.from_regex(r"[1-9][0-9]{4,14}", fullmatch=True), st.sampled_from(["+", "00"]), st.data())
def test_separators_anywhere_do_not_change_a_phone(phone: str, prefix: str, data: st.DataObject) -> None:
    marks = st.sampled_from(["", " ", "-", ".", " - ", "\u200e", "\u2011", "/"])
    written = "".join(digit + data.draw(marks) for digit in phone)
    assert phone == read_phone(prefix + data.draw(marks) + written)


@given(st.text(max_size=250) | st.text("+0123456789 ()-.:;@cus", max_size=40))
def test_whatever_is_read_is_what_meta_would_write(written: str) -> None:
    phone = read_phone(written)
    assert phone is None or (phone == read_phone(phone) and phone.isascii() and phone.isdecimal() and phone[0] != "0")
