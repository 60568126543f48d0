"""Reading a customer's turn as a choice of the number's menu."""

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.conversations.evidence.menu import MAX_CHOICE_LENGTH, ChosenSkillset, FailedChoice, normalise, read_choice
from domain.directory import Number
from domain.facts import CustomerTurn, Party
from domain.ids import fact_id

MENU = {"1": "sales", "2": "support", "Help": "support", "12": "gone"}
SKILLSETS = {"sales", "support"}
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)

DIGITS = [char for char in map(chr, range(0x11000)) if unicodedata.category(char) == "Nd"]


def turn(text: str | None = None, *, option_id: str | None = None, is_reply: bool = False) -> CustomerTurn:
    return CustomerTurn(
        id=fact_id("turn"),
        phone_number_id="106",
        at=NOON,
        sent_at=NOON,
        customer=Party(wa_id="39333"),
        type="interactive" if is_reply else "text",
        wamid="wamid.1",
        text=text,
        is_reply=is_reply,
        option_id=option_id,
    )


def choice(text: str | None = None, **reply: str) -> ChosenSkillset | FailedChoice | None:
    return read_choice(turn(text, is_reply=bool(reply), option_id=reply.get("option_id")), MENU, SKILLSETS)


@pytest.mark.parametrize(
    "text",
    [
        "1",
        " 1 ",
        "1.",
        "1)",
        "1 .",
        "\n1\t",
        "1\ufe0f\u20e3",
        "1\u20e3",
        "１",
        "①",
        "١",
        "१",
        "๑",
        "𝟏",
        "\u200f1\u200e",
        "１）",
        *("*1*", "_1_", "~1~", "```1```", "*_1_*", "*1.*", "(1)", "[1]", "<1>", "{1}", "1!", "1!!", "1?", "1,", "1;"),
        *("#1", "# 1", "№1", "n. 1", "01", "001", "1-", "- 1", "“1”", "«1»", "'1'", '"1"', "1...", "1:", "¹", "❶"),
        *("1 - Sales", "1) Sales", "1. Sales", "1: Sales", "1.Sales", "*1.* Sales", "1️⃣ Sales", "1 – Vendite"),
        *(
            "Option 1",
            "numero 1",
            "*1*. Sales team",
            "\u2068*1*\u2069",
            "número 1",
            "Opción 1",
            "opção 1",
            "1º",
            "nº 1",
        ),
        *(
            "1 👍",
            "👉 1",
            "👉🏽1",
            "1 🙏🏿",
            "1。",
            "「1」",
            "【1】",
            "¿1?",
            "*1* Vendite",
            "1—Sales",
            "1 | Sales",
            "1、Sales",
        ),
        *("①Vendite", "1 → Sales", "1 sales", "1, Sales", "#1 SALES", "1\nsales"),
    ],
)
def test_every_way_to_write_the_digit_one_chooses_the_first_option(text: str) -> None:
    assert ChosenSkillset("sales") == choice(text)


@pytest.mark.parametrize("text", ["help", "HELP", " Help. ", "ｈｅｌｐ", "\u2139\ufe0f Help", "Help\u2122"])
def test_a_word_of_the_menu_is_a_choice_in_any_case(text: str) -> None:
    assert ChosenSkillset("support") == choice(text)


@pytest.mark.parametrize("text", ["3", "99", "٣", "3.", "3\ufe0f\u20e3", "0", "🔟"])
def test_one_or_two_digits_that_are_not_on_the_menu_are_a_failed_choice(text: str) -> None:
    assert FailedChoice() == choice(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            None,
            "",
            " ",
            ".",
            "hello",
            "123",
            "1 2",
            "1a",
            "I want 1",
            "½",
            "Hilfe",
            "1" * 5000,
            "1 adult",
            "1.5",
            "+1",
        ),
        *("=1", "1%", "1€", "1-2", "1st", "1 sale", "1 support", "1 help", "2 👍 3", "1 or 2"),
        *("1) the brake is loose and 2) the light", "1, 2 or 3?", "10 - 12 would suit me well, thanks", "100%"),
    ],
)
def test_any_other_text_is_not_a_choice(text: str | None) -> None:
    assert choice(text) is None


def test_a_tapped_option_chooses_by_its_id() -> None:
    assert ChosenSkillset("support") == choice("Something else", option_id="2")


def test_a_tapped_option_whose_id_is_unknown_chooses_by_its_text() -> None:
    assert ChosenSkillset("support") == choice("Help", option_id="row-17")


@pytest.mark.parametrize("text", ["1. Sales", "1) A very long title of this first row", "Option 1"])
def test_a_tapped_row_whose_title_begins_with_a_number_chooses_that(text: str) -> None:
    assert ChosenSkillset("sales") == choice(text, option_id="row-17")


def test_a_synonym_chooses_like_its_option() -> None:
    number = Number("106", menu={"1": "sales", "2": "support"}, synonyms={"1": ("Vendite", "buy")})
    for text in ("vendite", "*VENDITE*", "Buy!", "1. vendite"):
        assert ChosenSkillset("sales") == read_choice(turn(text), number.choices, SKILLSETS)


def test_a_number_and_words_that_choose_the_same_are_one_choice() -> None:
    number = Number("106", menu={"1": "sales", "2": "support"}, synonyms={"1": ("Vendite",), "2": ("Aiuto",)})
    assert ChosenSkillset("sales") == read_choice(turn("1 Vendite 👍"), number.choices, SKILLSETS)
    assert read_choice(turn("1 Aiuto"), number.choices, SKILLSETS) is None


def test_an_option_may_be_an_emoji() -> None:
    menu = {"🍕": "sales", "🚲 Bikes": "support"}
    assert ChosenSkillset("sales") == read_choice(turn("🍕"), menu, SKILLSETS)
    assert ChosenSkillset("support") == read_choice(turn("bikes"), menu, SKILLSETS)


@pytest.mark.parametrize("text", ["Track my order", None])
def test_a_tapped_option_that_is_not_on_the_menu_is_a_failed_choice(text: str | None) -> None:
    assert FailedChoice() == choice(text, option_id="row-17")


def test_an_option_whose_skillset_does_not_exist_is_a_failed_choice() -> None:
    assert FailedChoice() == choice("12")


def test_a_number_without_a_menu_has_no_choices() -> None:
    assert read_choice(turn("1"), {}, SKILLSETS) is None


def test_the_menu_may_be_written_in_any_of_the_ways_that_customers_use() -> None:
    assert ChosenSkillset("sales") == read_choice(turn("1"), {" 1) ": "sales"}, SKILLSETS)


@given(st.text(st.sampled_from(DIGITS), min_size=1, max_size=2), st.sampled_from(["", " ", "\u200f", "\u00a0"]))
def test_digits_of_any_script_are_read_as_their_value(digits: str, around: str) -> None:
    value = "".join(str(unicodedata.decimal(digit)) for digit in digits)
    assert ChosenSkillset("sales") == read_choice(turn(around + digits + around), {value: "sales"}, SKILLSETS)


@given(st.text(max_size=MAX_CHOICE_LENGTH))
def test_any_key_of_a_menu_is_chosen_by_the_same_text_or_can_never_be_chosen(text: str) -> None:
    expected = ChosenSkillset("sales") if normalise(text) else None
    assert expected == read_choice(turn(text), {text: "sales"}, SKILLSETS)


@given(st.text())
def test_only_the_normalised_text_decides_whether_it_is_a_choice(text: str) -> None:
    form = normalise(text)
    assert choice(text) == choice(form) if len(form) <= MAX_CHOICE_LENGTH else choice(text) is None


def test_a_text_longer_than_any_choice_is_read_like_no_text() -> None:
    assert "" == normalise(None) == normalise("1" * (MAX_CHOICE_LENGTH + 1))
    assert "1" * MAX_CHOICE_LENGTH == normalise("1" * MAX_CHOICE_LENGTH)
