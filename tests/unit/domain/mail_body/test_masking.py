"""Masking: no phone number stays readable, and numbers that are marked as something else stay."""

import re
import time
from unicodedata import decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.mail_body.masking import PhoneMasking

COUNTRIES = ("1", "39", "44", "49", "55", "351", "353", "971")
SCRIPTS = [str.maketrans("0123456789", "".join(chr(zero + n) for n in range(10))) for zero in (0x30, 0x660, 0xFF10)]
BETWEEN = st.sampled_from(["", " ", "-", ".", "/", "\xa0", "\u2011", ") ", " (", "\ufe0f\u20e3"])
WORDS = st.sampled_from(
    ["", "call me: ", "tel", "Mobile ", "my order 12, ", "il mio numero è ", "2026-07-01 ", "(", "\n"]
)


@st.composite
def written(draw: st.DrawFn, country: str, national: str) -> str:
    """A phone number as people write it: with or without its country code, grouped, in the digits of any script."""
    front = draw(st.sampled_from([f"+{country}", f"00{country}", country, "", "0", f"+{country} (0)"]))
    groups = [draw(BETWEEN) + digit for digit in national]
    return f"{front}{''.join(groups)}".translate(draw(st.sampled_from(SCRIPTS)))


NATIONAL = st.text("0123456789", min_size=7, max_size=11)


@given(st.data(), st.sampled_from(COUNTRIES), NATIONAL, WORDS, WORDS)
def test_the_customers_own_number_is_masked_in_every_notation(
    data: st.DataObject, country: str, national: str, before: str, after: str
) -> None:
    """Even where it is called an order; the last three digits stay."""
    number = data.draw(written(country, national))
    label = data.draw(st.sampled_from(["", "order ", "#"]))
    shown = PhoneMasking([country + national]).hide(f"{before}{label}{number}{after and ' '}{after}")
    assert national[-7:] not in _digits(shown)
    assert "••••" in shown
    assert national[-3:] in _digits(shown)


@pytest.mark.parametrize(
    "text",
    [
        "333_123_45_67",
        "333*123*4567",
        "333,123,45,67",
        "333·123·4567",
        "333:123:4567",
        "333 --- 123 --- 4567",
        "333.123\n4567",
        "+39 | 333 | 123 | 4567",
        "3/3/3/1/2/3/4/5/6/7",
        "~3~3~3~1~2~3~4~5~6~7~",
    ],
)
def test_characters_between_the_digits_of_the_customers_own_number_do_not_reveal_it(text: str) -> None:
    """For any other number, these notations would not be recognised as phone numbers."""
    assert "567" == _digits(PhoneMasking(["393331234567"]).hide(text))


@given(st.data(), st.sampled_from(COUNTRIES), NATIONAL, WORDS)
def test_the_numbers_of_other_people_are_masked_too(
    data: st.DataObject, country: str, national: str, before: str
) -> None:
    """The phone number of the customer does not matter and need not be known."""
    number = data.draw(written(country, national))
    for wa_id in (None, "16505551234"):
        shown = PhoneMasking([wa_id]).hide(f"{before}{number}")
        assert national[-7:] not in _digits(shown)
        assert re.search("•{4,}[^•]*$", shown)


@pytest.mark.parametrize(
    "text",
    [
        "my order 4500012345 has not come",
        "Ordine n. 12345678: quando arriva?",
        "ordine numero 12345678/2026",
        "ORD-2026-0012345 and INV0012345",
        "the order number is 12345678",
        "#4500012345",
        "fattura n° 2026/0012345 del 01/07/2026",
        "tracking 1Z999AA10123456784",
        "on 2026-07-01 14:30, or 01.07.2026 at 9.00",
        "open 9.00-13.00 / 15.30 - 19.00",
        "45.438384, 10.991622",
        "12 bikes, 3 helmets, 19.99 EUR, 1.250,00 €, in 2026",
        "1\n2\n3\n4\n5\n6\n7",
        "",
    ],
)
def test_a_number_that_is_marked_as_something_else_stays(text: str) -> None:
    """Named orders, dates, hours, places, prices, menus."""
    assert text == PhoneMasking(["393337654321"]).hide(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("order 12345678, call 333 765 4321", "order 12345678, call •••••••321"),
        ("ordine 00393337654321", "ordine •••••••••••321"),
        ("order 333 765 4321", "order 333 ••••321"),
        ("12345678", "•••••678"),
        ("٠١٢٣٤٥٦٧٨", "••••••٦٧٨"),
        ("call 2026-07-01 or 02 5550100", "call 2026-07-01 or ••••••100"),
        ("ordering 12345678", "ordering •••••678"),
        ("call ((((((((+39 333 765 4321", "call •••••••••321"),
        ("+2026-07-01", "•••••701"),
    ],
)
def test_a_number_of_uncertain_meaning_is_masked(text: str, expected: str) -> None:
    """Masking too much is better than too little."""
    assert expected == PhoneMasking([None]).hide(text)


@given(st.text() | st.text("0123456789 +-./()#order\n"), st.none() | st.text("0123456789", max_size=15))
@example("1" * 20_000, "393331234567")
@example("9.00-13.00 " * 2_000, "393331234567")
def test_only_digits_and_the_characters_that_group_them_are_masked(text: str, wa_id: str | None) -> None:
    """Words keep their order, and no text takes long."""
    kept = [char for char in text if char.isalpha() or char == "\n"]
    assert kept == [char for char in PhoneMasking([wa_id]).hide(text) if char.isalpha() or char == "\n"]


UNITS = (
    *("(", "+", "+(", "1", "٣", ".", " ", "\xa0", "\n", "_", "-", "#", "/", "a", "😀", "\u200b"),
    *("1-", "1--", "1------", "1.", "+1", "(1)", "1\n", "_1", "#1/", "#1a", "1a", "1\ufe0f\u20e3", "1 2 3 4 5 6 a "),
    *("3331234567", "333765432", "1111111", "٣٣٣١٢٣٤٥٦ ", "#001234567", "order ", "order12345678 ", "# #n #id "),
    *("2026-07-01 ", "1.1.2026.", "9.00-13.00 ", "9.00-", "1.11111", "1.11111, ", "-1.111111"),
)


@pytest.mark.parametrize("wa_id", ["393331234567", "391111111111"])
@pytest.mark.parametrize("unit", UNITS)
def test_masking_takes_time_by_the_length_of_the_text_only(unit: str, wa_id: str) -> None:
    """65,536 characters of anything take 50 ms on a quiet machine. Counted is the time of this thread; what grows with
    the square of the length would take many seconds."""
    text = (unit * 65_536)[:65_536]
    assert any(_seconds(PhoneMasking([wa_id]), text) < 0.25 for _ in range(3))


@pytest.mark.parametrize("text", ["open (9.00-13.00)", "(2026-07-01)", "((((((12.07.2026"])
def test_a_bracket_makes_no_phone_number_of_a_date(text: str) -> None:
    assert text == PhoneMasking(["393337654321"]).hide(text)


def _seconds(masking: PhoneMasking, text: str) -> float:
    began = time.thread_time()
    masking.hide(text)
    return time.thread_time() - began


def _digits(text: str) -> str:
    return "".join(str(decimal(char)) for char in text if char.isdecimal())
